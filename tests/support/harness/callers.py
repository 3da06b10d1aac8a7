"""Who calls, and who is in the way, in tests of plugins that count."""

import fcntl
import json
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from outrider import Consumer, Plugin, Request


class As(Plugin):
    """Says who calls, as an auth plugin would."""

    priority = 1000

    def on_request(self, request: Request) -> None:
        name = request.headers.get("x-as")
        request.consumer = Consumer(name, username=name) if name else None
        request.credential = request.headers.get("x-credential")
        request.claims = json.loads(request.headers.get("x-claims", "{}"))


@contextmanager
def somebody_has(table: Path) -> Generator[None]:
    """Another worker is at work on the shared table of that file."""
    with table.open("r+b") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
