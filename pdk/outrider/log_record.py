"""How a request ended, for `on_log`."""

from dataclasses import dataclass
from typing import Literal

Ending = Literal["passed", "replied", "fault", "aborted"]


@dataclass(frozen=True, slots=True)
class LogRecord:
    """The end of one request.

    `ending`: `passed` (upstream or the gateway answered), `replied` (a plugin did), `fault` (a plugin failed and the
    request was refused), `aborted` (downstream left, or the gateway gave up). `status` is what downstream got, None
    where that is not known. `duration` is in seconds since the request reached its plugins. `plugin` is who
    replied or failed. `request_bytes` and `response_bytes` are the lengths of the bodies as they came, as far as
    plugins saw them; None where no plugin did.
    """

    ending: Ending
    status: int | None
    duration: float
    plugin: str | None = None
    request_bytes: int | None = None
    response_bytes: int | None = None
