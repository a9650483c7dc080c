"""Settings as the text of a file: every key that is in force, with what it means and what else can set it.

Reading it again gives equal settings. It holds no secret, since settings hold none: of files only the paths are known.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from cognito_guard.gateway.rewriting import ClaimHeader
from cognito_guard.gateway.settings.mistakes import key_text
from cognito_guard.gateway.settings.options import option_for
from cognito_guard.gateway.settings.tables import IDENTITY, REPEATED, TABLES, TOP, Row
from cognito_guard.gateway.settings.values import GatewaySettings, Settings, credential_fields
from cognito_guard.web.credentials import Source


def printed(settings: GatewaySettings) -> str:
    """The TOML text of the settings in force, with the defaults, each key under a comment that explains it."""
    return "\n".join(_lines(settings)) + "\n"


def _lines(settings: GatewaySettings) -> Iterator[str]:
    explained: set[tuple[str, ...]] = set()
    yield from _rows((), TOP, settings, explained)
    for table, rows in TABLES.items():
        if table == "identity":
            yield from ("", "[identity]", "# header fields for the upstream, and the claims that they carry")
            yield from (_identity_line(name, claim) for name, claim in settings.identity)
        elif table in REPEATED:
            for value in getattr(settings, f"{table}s"):
                yield from ("", f"[[{table}]]", *_rows((table,), rows, value, explained))
        elif getattr(settings, table) is not None:
            yield from ("", f"[{table}]", *_rows((table,), rows, getattr(settings, table), explained))


def _rows(
    table: tuple[str, ...], rows: tuple[Row, ...], value: Settings | Source, explained: set[tuple[str, ...]]
) -> Iterator[str]:
    fields = _fields(value)
    for row in rows:
        held, place = fields.get(row.key), (*table, row.key)
        if (held is None and not row.limitless) or (held == () and row.default == ()):
            continue
        if place not in explained:
            explained.add(place)
            option = option_for(place)
            yield f"# {row.meaning}" + (f" ({option.flag}, {option.variable})" if option else "")
        yield f"{row.key} = {_toml(held)}"


def _fields(value: Settings | Source) -> Mapping[str, Any]:
    if isinstance(value, Settings):
        return dict(zip(value._names, value._fields(), strict=True))  # noqa: SLF001 - its own public slots
    return credential_fields(value)


def _identity_line(name: str, claim: ClaimHeader) -> str:
    fields = {
        row.key: getattr(claim, row.key) for row in IDENTITY if row.key == "claim" or getattr(claim, row.key) != row.default
    }
    inside = ", ".join(f"{key} = {_toml(field)}" for key, field in fields.items())
    return f"{key_text(name)} = " + (_toml(claim.claim) if len(fields) == 1 else f"{{{inside}}}")


def _toml(value: Any) -> str:
    match value:
        case None:
            return '"none"'
        case bool():
            return "true" if value else "false"
        case int() | float():
            return repr(value)
        case str():
            # a JSON string is a TOML string, but for one character that TOML wants escaped
            return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
        case _:
            return f"[{', '.join(map(_toml, value))}]"
