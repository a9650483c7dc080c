"""The gateway's own log: JSON lines, levels, no tokens."""

from __future__ import annotations

import json
import logging
import logging.config
from typing import Any

import pytest
import uvicorn

from cognito_guard.front import Front, Request
from cognito_guard.gateway.observing.logs import log_config
from cognito_guard.testing import LocalUserPool

pytestmark = pytest.mark.usefixtures("logging_kept")


def lines(capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    return [json.loads(line) for line in capsys.readouterr().err.splitlines()]


def test_every_record_is_one_line_of_json(capsys: pytest.CaptureFixture[str]) -> None:
    """T54: line breaks in a message, a traceback of many lines; ours, uvicorn's and everybody's."""
    logging.config.dictConfig(log_config("info", decisions=True))
    logging.getLogger("cognito_guard.gateway").info("a %s", "b\r\n{\x1b[2J}")
    logging.getLogger("uvicorn.error").info("started")
    logging.getLogger("other").info("not heard")
    try:
        int("several\nlines")
    except ValueError:
        logging.getLogger("asyncio").exception("failed", stack_info=True)
    first, second, third = lines(capsys)
    assert (first["level"], first["logger"], first["message"]) == ("info", "cognito_guard.gateway", "a b\r\n{\x1b[2J}")
    assert first["time"].endswith("Z")
    assert second["logger"] == "uvicorn.error"
    assert third["exception"].startswith("Traceback")
    assert third["exception"].count("\n") > 2
    assert "stack" in third


def test_no_token_in_a_log(capsys: pytest.CaptureFixture[str]) -> None:
    """T29: a token in a message or in an exception's text, whoever put it there."""
    token = LocalUserPool().access()
    logging.config.dictConfig(log_config("debug", decisions=True))
    try:
        int(token[:3000])
    except ValueError:
        logging.getLogger("uvicorn.error").exception("with %s", token)
    written = capsys.readouterr().err
    assert written.count("[token]") == 2
    assert not any(part in written for part in token.split("."))


@pytest.mark.parametrize("decisions", [True, False])
def test_decisions_are_told_once(*, decisions: bool, capsys: pytest.CaptureFixture[str]) -> None:
    """With an access log the decision stands there; without one it stands here, by name."""
    logging.config.dictConfig(log_config("info", decisions=decisions))
    Front(LocalUserPool().guard()).judge(Request("GET", "/x", []))
    told = lines(capsys)
    if not decisions:
        assert told == []
        return
    (line,) = told
    assert line["decision"] == {
        "verdict": "refused",
        "code": "credentials_missing",
        "status": 401,
        "enforced": True,
        "route": "/*",
    }


def test_levels_come_from_the_settings(capsys: pytest.CaptureFixture[str]) -> None:
    """Ours and uvicorn's; a level that there is not is a bug of the caller."""
    logging.config.dictConfig(log_config("error", decisions=True))
    logging.getLogger("cognito_guard").warning("no")
    logging.getLogger("uvicorn.error").info("no")
    logging.getLogger("cognito_guard").error("yes")
    assert [line["message"] for line in lines(capsys)] == ["yes"]
    with pytest.raises(KeyError):
        log_config("loud", decisions=True)  # type: ignore[arg-type]


def test_uvicorn_takes_it(capsys: pytest.CaptureFixture[str]) -> None:
    """T29: as `log_config=`; its own access log, which shows queries, stays silent."""
    uvicorn.Config(lambda: None, log_config=log_config("debug", decisions=False))
    logging.getLogger("uvicorn.access").info('%s - "%s %s HTTP/%s" %d', "127.0.0.1:1", "GET", "/?access_token=x", "1.1", 200)
    assert lines(capsys) == []
