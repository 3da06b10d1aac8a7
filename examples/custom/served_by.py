"""A plugin that tells downstream something."""

import os
from typing import ClassVar

from outrider import Needs, Plugin, Request


class ServedBy(Plugin):
    """Names the worker process that decided, in a response header."""

    priority: ClassVar[int] = 90_000

    header: str = "x-served-by"
    """The response header."""

    def needs(self) -> Needs:
        return Needs(reply_headers=(self.header,))

    def on_request(self, request: Request) -> None:
        request.reply_headers[self.header] = str(os.getpid())
