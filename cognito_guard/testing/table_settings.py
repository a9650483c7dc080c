"""The behaviour table's further leaves: what fronts do on request (cookies, another header, RFC 9728, preflights), and websockets.

Decides which settings the rows count on, and what they must do. Runs nothing, like `table.py`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Final

from cognito_guard.testing.bad_catalogue import bad_token
from cognito_guard.testing.case import Case
from cognito_guard.testing.local_user_pool import DEFAULT_POOL, LocalUserPool
from cognito_guard.testing.table import JANE, behaviour, sample_routes

if TYPE_CHECKING:
    from cognito_guard.front import FrontSettings
    from cognito_guard.web.routes import Route

Pairs = tuple[tuple[str, str], ...]
RESOURCE: Final = "https://api.example.com/shop"
_SERVER: Final = f"https://cognito-idp.eu-west-1.amazonaws.com/{DEFAULT_POOL}"
_SCOPES: Final = ["orders/read", "orders/write"]
_WELL_KNOWN: Final = "/.well-known/oauth-protected-resource"
_METADATA: Final = {"resource": RESOURCE, "authorization_servers": [_SERVER], "scopes_supported": _SCOPES}
_HOST: Final = ("Host", "api.example.com")
_OWN: Final = (_HOST, ("Origin", "https://api.example.com"))
_FOREIGN: Final = (_HOST, ("Origin", "https://attacker.example"))
_PREFLIGHT: Final = (("Origin", "https://shop.example.com"), ("Access-Control-Request-Method", "POST"))


def sample_settings() -> FrontSettings:
    """What `settings_behaviour` and `websocket_behaviour` count on; `behaviour` holds with it and without."""
    from cognito_guard.web import FromCookie, FromHeader, FromQuery, FromSubprotocol, ProtectedResource

    return {
        "credentials": [FromCookie("session"), FromHeader("X-Access-Token"), FromQuery("ticket"), FromSubprotocol],
        "resource": ProtectedResource(RESOURCE, authorization_servers=[_SERVER], scopes=_SCOPES),
    }


def settings_routes() -> tuple[Route, ...]:
    """`sample_routes()`, and open to preflights at `/orders`."""
    from cognito_guard.web import Preflights

    return (Preflights("/orders"), *sample_routes())


def settings_behaviour(pool: LocalUserPool) -> tuple[Case, ...]:
    """The cases of a front with `settings_routes()`, `sample_settings()` and `pool.guard()`.

    By the beginning of their names: `cookie`, with `cookie_fetch` where `Sec-Fetch-Site` decides, which CGI-style environments cannot
    vouch for; `field`; and for fronts that see every path, `resource` and `preflight`.
    """
    return (*_cookies(pool), *_fields(pool), *_resource(), *_preflights())


def websocket_behaviour(pool: LocalUserPool) -> tuple[Case, ...]:
    """The cases of websockets, for the same front: each GET of `behaviour`, as a handshake, and those of a token that no header carries."""
    plain = (_handshake(f"websocket_{case.name}", case) for case in behaviour(pool) if case.method == "GET")
    return (*plain, *_subprotocols(pool), *_queries(pool), *_websocket_cookies(pool))


def _handshake(name: str, case: Case) -> Case:
    return Case(
        name,
        case.target,
        case.headers,
        status=case.status,
        codes=case.codes,
        challenge=None if case.challenge is None else dict(case.challenge),
        subject=case.subject,
        keys_unavailable=case.keys_unavailable,
        kind="websocket",
    )


def _passes(
    name: str, headers: Iterable[tuple[str, str]], *, target: str = "/private", method: str = "GET", subject: str = JANE
) -> Case:
    return Case(name, target, headers, status=200, subject=subject, method=method)


def _missing(name: str, headers: Iterable[tuple[str, str]] = (), *, target: str = "/private", method: str = "GET") -> Case:
    return Case(name, target, headers, status=401, codes=["credentials_missing"], challenge={}, method=method)


def _refused(name: str, headers: Iterable[tuple[str, str]], *codes: str, target: str = "/private") -> Case:
    return Case(
        name, target, headers, status=400, codes=codes or ["credentials_malformed"], challenge={"error": "invalid_request"}
    )


def _expired(name: str, headers: Iterable[tuple[str, str]], *, target: str = "/private") -> Case:
    return Case(name, target, headers, status=401, codes=["expired"], challenge={"error": "invalid_token"})


def _cookie(token: str, *others: tuple[str, str]) -> Pairs:
    return (("Cookie", f"theme=dark; session={token}"), *others)


def _cookies(pool: LocalUserPool) -> Iterator[Case]:
    good, expired = pool.access(), bad_token(pool, "expired").token
    other = pool.access(username="someone-else")
    yield _passes("cookie", _cookie(good))
    yield _passes("cookie_head", _cookie(good), method="HEAD")
    yield _passes("cookie_from_another_site", _cookie(good, *_FOREIGN))
    yield _passes("cookie_beside_basic", _cookie(good, ("Authorization", "Basic amFuZTpzZWNyZXQ=")))
    yield _passes("cookie_and_authorization", _cookie(other, ("Authorization", f"Bearer {good}")))
    yield _expired("cookie_and_bad_authorization", _cookie(good, ("Authorization", f"Bearer {expired}")))
    yield _refused("cookie_and_malformed_authorization", _cookie(good, ("Authorization", "Bearer a b")))
    yield _expired("cookie_expired", _cookie(expired))
    yield _expired("cookie_identify_expired", _cookie(expired), target="/maybe")
    yield _refused("cookie_empty", _cookie(""))
    yield _refused("cookie_not_a_token", _cookie("a b"))
    yield _refused("cookie_quoted", _cookie(f'"{good}"'))
    yield _refused("cookie_twice", _cookie(f"{good}; session={good}"), "credentials_ambiguous")
    yield _missing("cookie_other_case", [("Cookie", f"Session={good}")])
    for method in ("POST", "PUT", "PATCH", "DELETE"):
        name = f"cookie_{method.lower()}"
        yield _passes(f"{name}_own_origin", _cookie(good, *_OWN), method=method)
        yield _missing(f"{name}_foreign_origin", _cookie(good, *_FOREIGN), method=method)
        yield _missing(f"{name}_null_origin", _cookie(good, _HOST, ("Origin", "null")), method=method)
        yield _missing(f"{name}_no_origin", _cookie(good, _HOST), method=method)
    yield _passes("cookie_post_identify_foreign_origin", _cookie(good, *_FOREIGN), target="/maybe", method="POST", subject="")
    yield _passes("cookie_fetch_same_origin", _cookie(good, ("Sec-Fetch-Site", "same-origin")), method="POST")
    for site in ("same-site", "cross-site", "none"):
        yield _missing(f"cookie_fetch_{site}", _cookie(good, ("Sec-Fetch-Site", site), *_FOREIGN), method="POST")


def _fields(pool: LocalUserPool) -> Iterator[Case]:
    good, expired = pool.access(), bad_token(pool, "expired").token
    yield _passes("field", [("X-Access-Token", good)])
    yield _passes("field_post", [("x-access-token", good), *_FOREIGN], method="POST")
    yield _passes("field_and_authorization", [("X-Access-Token", expired), ("Authorization", f"Bearer {good}")])
    yield _passes("field_after_cookie", _cookie(good, ("X-Access-Token", expired)))
    yield _expired("field_expired", [("X-Access-Token", expired)])
    yield _refused("field_with_scheme", [("X-Access-Token", f"Bearer {good}")])
    yield _refused("field_twice", [("X-Access-Token", good)] * 2, "credentials_ambiguous", "credentials_malformed")
    yield _missing("field_query_of_http", target=f"/private?ticket={good}")


def _resource() -> Iterator[Case]:
    for name, target in (("resource", _WELL_KNOWN), ("resource_with_path", f"{_WELL_KNOWN}/shop")):
        yield Case(name, target, status=200, document=_METADATA)
        yield Case(f"{name}_head", target, status=200, method="HEAD", document=_METADATA)
        yield Case(f"{name}_preflight", target, _PREFLIGHT, status=204, method="OPTIONS")
        yield _missing(f"{name}_post", target=target, method="POST")
        yield _missing(f"{name}_options", target=target, method="OPTIONS")
    yield _missing("resource_deeper", target=f"{_WELL_KNOWN}/shop/x")


def _preflights() -> Iterator[Case]:
    yield _passes("preflight", _PREFLIGHT, target="/orders", method="OPTIONS", subject="")
    yield _missing("preflight_without_origin", _PREFLIGHT[1:], target="/orders", method="OPTIONS")
    yield _missing("preflight_without_method", _PREFLIGHT[:1], target="/orders", method="OPTIONS")
    yield _missing("preflight_by_get", _PREFLIGHT, target="/orders")
    yield _missing("preflight_by_post", _PREFLIGHT, target="/orders", method="POST")
    yield _missing("preflight_elsewhere", _PREFLIGHT, target="/private", method="OPTIONS")
    yield _missing("preflight_below", _PREFLIGHT, target="/orders/x", method="OPTIONS")


def _offer(*names: str) -> Pairs:
    return (("Sec-WebSocket-Protocol", ", ".join(names)),)


def _subprotocols(pool: LocalUserPool) -> Iterator[Case]:
    good, expired, marker = pool.access(), bad_token(pool, "expired").token, "cognito-guard.bearer"
    lacks = Case(
        "subprotocol_scope_lacking",
        "/orders",
        _offer(marker, good),
        status=403,
        codes=["insufficient_scope"],
        challenge={"error": "insufficient_scope", "scope": "orders/read"},
    )
    for case in (
        _passes("subprotocol", _offer(marker, good)),
        _passes("subprotocol_and_app", _offer(marker, good, "chat")),
        _passes("subprotocol_and_authorization", (*_offer(marker, expired), ("Authorization", f"Bearer {good}"))),
        _passes("subprotocol_public", _offer(marker, good, "chat"), target="/open/x", subject=""),
        _passes("subprotocol_identify_without", _offer("chat"), target="/maybe", subject=""),
        _expired("subprotocol_expired", _offer(marker, expired, "chat")),
        _expired("subprotocol_identify_expired", _offer(marker, expired), target="/maybe"),
        _missing("subprotocol_of_app_alone", _offer("chat")),
        _missing("subprotocol_token_alone", _offer(good)),
        _refused("subprotocol_marker_alone", _offer(marker)),
        _refused("subprotocol_marker_behind", _offer("chat", marker, good)),
        _refused("subprotocol_twice", _offer(marker, good, marker, good), "credentials_ambiguous"),
        lacks,
    ):
        yield _handshake(case.name, case)


def _queries(pool: LocalUserPool) -> Iterator[Case]:
    good, expired = pool.access(), bad_token(pool, "expired").token
    for case in (
        _passes("query", (), target=f"/private?a=b&ticket={good}"),
        _passes("query_public", (), target=f"/open/x?ticket={good}", subject=""),
        _expired("query_expired", (), target=f"/private?ticket={expired}"),
        _refused("query_empty", (), target="/private?ticket="),
        _refused("query_twice", (), "credentials_ambiguous", target=f"/private?ticket={good}&ticket=a"),
        _missing("query_other_name", target=f"/private?access_token={good}"),
    ):
        yield _handshake(case.name, case)


def _websocket_cookies(pool: LocalUserPool) -> Iterator[Case]:
    good = pool.access()
    for case in (
        _passes("websocket_cookie_own_origin", _cookie(good, *_OWN)),
        _passes("websocket_cookie_fetch_same_origin", _cookie(good, ("Sec-Fetch-Site", "same-origin"))),
        _missing("websocket_cookie_foreign_origin", _cookie(good, *_FOREIGN)),  # cross-site websocket hijacking
        _missing("websocket_cookie_no_origin", _cookie(good, _HOST)),
        _missing("websocket_cookie_fetch_cross_site", _cookie(good, ("Sec-Fetch-Site", "cross-site"))),
    ):
        yield _handshake(case.name, case)
