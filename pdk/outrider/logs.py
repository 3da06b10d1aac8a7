"""Log lines: text for people, JSON for machines, each with the request that it is about and its trace."""

import json
import logging
import sys
import time
from contextvars import ContextVar
from typing import Literal, TextIO

from outrider.request import Request

Format = Literal["auto", "text", "json"]

current_request: ContextVar[Request | None] = ContextVar("outrider_request", default=None)
"""The request whose hooks are running; adapters and the chain set it."""


class TextFormatter(logging.Formatter):
    """One line for a person: time, level, logger, message, request id, trace id."""

    def format(self, record: logging.LogRecord) -> str:
        clock = time.strftime("%H:%M:%S", time.localtime(record.created))
        message = " ".join(record.getMessage().splitlines())
        ids = "".join(f" {name}={value}" for name, value in _ids().items())
        return f"{clock} {record.levelname.lower():7} {record.name}: {message}{ids}"


class JsonFormatter(logging.Formatter):
    """One JSON object a line."""

    def format(self, record: logging.LogRecord) -> str:
        fields = {
            "time": time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created)) + f".{record.msecs:03.0f}Z",
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        return json.dumps({**fields, **_ids()})


def is_text(form: Format, stream: TextIO) -> bool:
    """Whether lines on `stream` are for a person: `auto` is text on a terminal."""
    return form == "text" or (form == "auto" and stream.isatty())


def configure(level: str = "info", form: Format = "auto", stream: TextIO | None = None) -> None:
    """Sends all log lines to `stream` (default: standard error) in the given form; `auto` is text on a terminal."""
    target = stream or sys.stderr
    handler = logging.StreamHandler(target)
    handler.setFormatter(TextFormatter() if is_text(form, target) else JsonFormatter())
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)


def _ids() -> dict[str, str]:
    """What the request at hand is called; nothing outside of one."""
    request = current_request.get()
    if request is None:
        return {}
    return {"request_id": request.id} | ({"trace_id": request.trace_id} if request.trace_id else {})
