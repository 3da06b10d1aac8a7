"""How a request ended, for `on_log`."""

from dataclasses import dataclass
from typing import Literal, NamedTuple

from outrider.needs import Hook

Ending = Literal["passed", "replied", "fault", "aborted"]


class SlowHook(NamedTuple):
    """A hook that took long: whose it is, when it began, and how long it took, both in seconds.

    It began so long after the request reached its plugins.
    """

    plugin: str
    hook: Hook
    began: float
    seconds: float


@dataclass(frozen=True, slots=True)
class LogRecord:
    """The end of one request.

    `ending`: `passed` (upstream or the gateway answered), `replied` (a plugin did), `fault` (a plugin failed and the
    request was refused), `aborted` (downstream left, or the gateway gave up). `status` is what downstream got, None
    where that is not known. `duration` is in seconds since the request reached its plugins. `plugin` is who
    replied or failed. `request_bytes` and `response_bytes` are the lengths of the bodies as they came, as far as
    plugins saw them; None where no plugin did. `slow_hooks` are those that took longer than the `slow_hooks` of its
    `needs()`, the first 32 of them.
    """

    ending: Ending
    status: int | None
    duration: float
    plugin: str | None = None
    request_bytes: int | None = None
    response_bytes: int | None = None
    slow_hooks: tuple[SlowHook, ...] = ()
