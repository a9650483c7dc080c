"""The table of routes as text, for `cognito-guard check`. Decides nothing but columns."""

from __future__ import annotations

from collections.abc import Sequence

from cognito_guard.gateway.settings.values import GatewaySettings, RouteSettings


def route_table(settings: GatewaySettings) -> str:
    """Every route in the order in which they are tried, with what it demands; then what no route names; then the upstreams."""
    rows = [("route", "host", "methods", "path", "demands")]
    for at, route in enumerate(settings.routes):
        hosts, methods = ", ".join(route.host) or "any", ", ".join(route.methods) or "any"
        methods = "OPTIONS" if route.access == "preflights" else methods
        rows.append((str(at), hosts, methods, route.path, _demand(route)))
    rows.append(("-", "any", "any", "/*", "a token (what no route names)"))
    if settings.mode == "report-only":
        rows = [(*row[:-1], f"{row[-1]} [report-only]" if at else row[-1]) for at, row in enumerate(rows)]
    lines = _columns(rows)
    if settings.upstreams:
        served = [("upstream", "host", "", "path", "url")]
        served += [(str(at), each.host or "any", "", each.path, each.url) for at, each in enumerate(settings.upstreams)]
        lines += ["", *_columns(served)]
    if settings.forward_auth is not None:
        asked = ", ".join(settings.forward_auth.kinds) or "nobody over http"
        grpc = f"; gRPC ext_authz on {settings.forward_auth.grpc}" if settings.forward_auth.grpc else ""
        lines += ["", f"Decisions for {asked}{grpc}."]
    return "\n".join(lines) + "\n"


def _demand(route: RouteSettings) -> str:
    match route.access:
        case "public":
            text = "nothing: public"
        case "identify":
            text = "a good token, or none: identify"
        case "preflights":
            text = "nothing of CORS preflights"
        case _:
            text = "a token" if route.require is None else f"a token, and {' '.join(route.require.split())}"
    notes = [route.accepts, "report-only" if route.mode == "report-only" else None]
    notes += ["closes at expiry" if route.close_at_expiry else None]
    notes += [f"Authorization: {route.authorization}" if route.authorization != "keep" else None]
    return text + "".join(f" [{note}]" for note in notes if note)


def _columns(rows: Sequence[Sequence[str]]) -> list[str]:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True) if width).rstrip() for row in rows]
