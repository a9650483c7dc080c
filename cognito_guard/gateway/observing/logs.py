"""The gateway's own log: JSON lines on standard error, its own, uvicorn's and everybody else's.

Decides form and levels. What is worth telling is decided where it happens.
"""

from __future__ import annotations

import logging
from typing import Any, Literal

from cognito_guard.gateway.observing.access import rfc3339
from cognito_guard.gateway.observing.lines import as_line

Level = Literal["debug", "info", "warning", "error"]


class JsonLines(logging.Formatter):
    """A record as one line of JSON: time, level, logger, message; with `exception`, the traceback, and `decision`, by name, where there are.

    What reads like a token is taken out of all of them.
    """

    def format(self, record: logging.LogRecord) -> str:
        """The line, without its line feed."""
        facts: dict[str, object] = {
            "time": rfc3339(record.created),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
            "pid": record.process,
        }
        if record.exc_info:
            facts["exception"] = self.formatException(record.exc_info)
        if record.stack_info:
            facts["stack"] = self.formatStack(record.stack_info)
        decision = getattr(record, "decision", None)
        if decision is not None:
            facts["decision"] = decision.facts
        return as_line(facts).decode("ascii").rstrip("\n")


class WithoutDecisions(logging.Filter):
    """Keeps back decisions on requests: where there is an access log, they stand there already."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether the record is anything else."""
        return not hasattr(record, "decision")


def log_config(level: Level, *, decisions: bool) -> dict[str, Any]:
    """Settings for `logging.config.dictConfig`, and for `uvicorn.Config(log_config=...)`.

    `level` is for this package and uvicorn; everybody else is heard from warnings on. `decisions`: tell of single requests, which is
    the access log's work where there is one. uvicorn's own access log, which shows queries, is off.
    """
    known = {"debug": "DEBUG", "info": "INFO", "warning": "WARNING", "error": "ERROR"}[level]
    own: dict[str, Any] = {"level": known}
    if not decisions:
        own["filters"] = ["without_decisions"]
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {"json": {"()": f"{__name__}.JsonLines"}},
        "filters": {"without_decisions": {"()": f"{__name__}.WithoutDecisions"}},
        "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "json", "stream": "ext://sys.stderr"}},
        "root": {"level": "WARNING", "handlers": ["stderr"]},
        "loggers": {
            "cognito_guard": own,
            "uvicorn": {"level": known},
            "uvicorn.access": {"level": "CRITICAL", "propagate": False},
        },
    }
