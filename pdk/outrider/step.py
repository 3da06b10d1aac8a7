"""One plugin at its place in a chain, with all that is known about it before the first request."""

import logging
from collections.abc import Callable
from typing import Any

from outrider.errors import ContractError, OverdueError
from outrider.log_record import LogRecord
from outrider.metrics import Counter, Histogram, Metrics
from outrider.needs import HOOKS, Hook
from outrider.place import place
from outrider.plugin import Plugin
from outrider.request import Request

_log = logging.getLogger("outrider.plugin")

HookMethod = Callable[..., Any]


class Step:
    """A plugin instance, its hooks as bound methods (None where it has none), and its counters."""

    __slots__ = (
        "_latency",
        "faulted",
        "hidden",
        "key",
        "name",
        "on_log",
        "on_request",
        "on_request_body",
        "on_request_chunk",
        "on_response",
        "on_response_body",
        "on_response_chunk",
        "passed",
        "plugin",
        "reads",
        "replied",
        "resizes",
        "responds",
        "seconds",
        "tolerant",
    )

    on_request: HookMethod | None
    on_request_body: HookMethod | None
    on_request_chunk: HookMethod | None
    on_response: HookMethod | None
    on_response_body: HookMethod | None
    on_response_chunk: HookMethod | None
    on_log: HookMethod | None

    def __init__(self, name: str, plugin: Plugin, route: str, metrics: Metrics, key: str = "") -> None:
        self.name = name
        # What it is called between processes: a name can be configured once for each consumer.
        self.key = key or name
        self.plugin = plugin
        hooks, needs = plugin.hooks(), plugin.needs()
        for hook in HOOKS:
            setattr(self, hook, getattr(plugin, hook) if hook in hooks else None)
        self.reads = bool(hooks & {"on_request_body", "on_request_chunk"})
        self.responds = bool(hooks & {"on_response", "on_response_body", "on_response_chunk"})
        self.resizes = needs.resizes
        self.hidden = needs.hidden() or None
        self.seconds = plugin.timeout / 1000
        self.tolerant = plugin.on_error == "continue"
        self._latency = {hook: _latency(metrics, name, hook) for hook in hooks}
        self.passed = _decisions(metrics, name, route, "passed")
        self.replied = _decisions(metrics, name, route, "replied")
        self.faulted = _decisions(metrics, name, route, "fault")

    def took(self, hook: Hook, seconds: float) -> None:
        """Counts how long a hook ran."""
        self._latency[hook].observe(seconds)

    def log(self, request: Request, record: LogRecord) -> None:
        """Tells the plugin that the request is over; what goes wrong there changes nothing any more."""
        if self.on_log is None:
            return
        try:
            self.on_log(request, record)
        except BaseException as error:
            self.report("on_log", error)

    def report(self, hook: Hook, error: BaseException) -> None:
        """Counts a fault and logs it in one line, with the place in the plugin's own code."""
        self.faulted.add()
        if isinstance(error, OverdueError):
            where = place(error, self.plugin, hook)
            _log.error("plugin %s: %s took longer than its %g s at %s", self.name, hook, self.seconds, where)
        else:
            # The text of a foreign exception may hold a credential; that of our own never does.
            _log.error(
                "plugin %s: %s failed at %s: %s", self.name, hook, place(error, self.plugin, hook), _told(error)
            )


def _decisions(metrics: Metrics, plugin: str, route: str, outcome: str) -> Counter:
    return metrics.counter(
        "outrider_decisions_total", "Decisions of plugins.", plugin=plugin, route=route, outcome=outcome
    )


def _latency(metrics: Metrics, plugin: str, hook: Hook) -> Histogram:
    return metrics.histogram("outrider_hook_seconds", "How long hooks ran.", plugin=plugin, phase=hook)


def _told(error: BaseException) -> str:
    name = type(error).__name__
    return f"{name}: {error}" if isinstance(error, ContractError) else name
