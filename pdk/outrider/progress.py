"""How far a request has come with its plugins: what its end is told with, whichever process tells it."""

from typing import Any, Final, cast

from outrider.log_record import Ending, LogRecord, SlowHook
from outrider.logs import current_request
from outrider.needs import Hook
from outrider.request import Request
from outrider.running import clock
from outrider.step import Step

_SLOW: Final = 32
"""How many slow hooks of a request are told of: chunk hooks run as often as a body has pieces."""


class Progress:
    """Who let the request on, who replied or failed, and what is known of both bodies so far.

    `passed` are the steps whose response hooks and `on_log` still run; `replied` is the one that ended the request
    phase, `replier` whoever made the answer that downstream gets.
    """

    __slots__ = (
        "ended",
        "ending",
        "passed",
        "replied",
        "replier",
        "request_bytes",
        "response_bytes",
        "slow_hooks",
        "started",
        "status",
    )

    def __init__(self) -> None:
        self.started = clock()
        self.passed: list[Step] = []
        self.replied: Step | None = None
        self.replier: Step | None = None
        self.ending: Ending = "passed"
        self.status: int | None = None
        self.request_bytes: int | None = None
        self.response_bytes: int | None = None
        self.slow_hooks: list[SlowHook] = []
        self.ended = False

    def tell_slow(self, plugin: str, hook: Hook, began: float, seconds: float) -> None:
        """A hook has taken long; `began` is on the clock of `started`."""
        if len(self.slow_hooks) < _SLOW:
            self.slow_hooks.append(SlowHook(plugin, hook, began - self.started, seconds))

    def end(self, request: Request, *, aborted: bool) -> None:
        """Tells the plugins that the request is over; a second call does nothing."""
        if self.ended:
            return
        self.ended = True
        steps = [step for step in self.passed if step.on_log is not None]
        if self.replied is not None and self.replied.on_log is not None:
            steps.append(self.replied)
        if not steps:
            return
        ending: Ending = "aborted" if aborted else self.ending
        plugin, duration = self.replier.name if self.replier else None, clock() - self.started
        sizes = self.request_bytes, self.response_bytes
        record = LogRecord(ending, self.status, duration, plugin, *sizes, tuple(self.slow_hooks))
        current_request.set(request)
        for step in steps:
            step.log(request, record)

    def to_json(self) -> dict[str, Any]:
        """For another process on the same machine: `started` is the machine's own clock."""
        return {
            "passed": [step.key for step in self.passed],
            "replied": self.replied and self.replied.key,
            "replier": self.replier and self.replier.key,
            "ending": self.ending,
            "status": self.status,
            "request_bytes": self.request_bytes,
            "response_bytes": self.response_bytes,
            "slow_hooks": self.slow_hooks,
            "started": self.started,
        }

    @classmethod
    def from_json(cls, written: dict[str, Any], steps: dict[str, Step]) -> "Progress":
        """What `to_json` wrote. A step that the configuration no longer has is left out."""
        progress = cls()
        progress.passed = [steps[key] for key in written["passed"] if key in steps]
        progress.replied = steps.get(written["replied"])
        progress.replier = steps.get(written["replier"])
        progress.ending = cast("Ending", written["ending"])
        progress.status = written["status"]
        progress.request_bytes, progress.response_bytes = written["request_bytes"], written["response_bytes"]
        progress.slow_hooks = [SlowHook(*one) for one in written["slow_hooks"]]
        progress.started = written["started"]
        return progress
