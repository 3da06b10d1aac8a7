"""The formats of a trace's headers side by side."""

from collections.abc import Callable, Sequence
from typing import Final, Literal, NamedTuple

from outrider import Headers
from outrider_plugins.propagation import b3, baggage, w3c
from outrider_plugins.propagation.trace import Trace

Format = Literal["w3c", "b3", "b3multi", "baggage"]

HEADERS: Final = ("traceparent", "tracestate", b3.SINGLE, *b3.MULTI, baggage.HEADER)
"""All headers that a trace comes in."""


class _Form(NamedTuple):
    read: Callable[[Headers], Trace | None]
    write: Callable[[Headers, Trace], None]


_FORMS: Final = {
    "w3c": _Form(w3c.read, w3c.write),
    "b3": _Form(b3.read_single, b3.write_single),
    "b3multi": _Form(b3.read_multi, b3.write_multi),
}


class Propagation:
    """Reads a trace from the first format that has one, and writes it in all of them."""

    def __init__(self, formats: Sequence[Format]) -> None:
        self._forms = [_FORMS[name] for name in formats if name != "baggage"]
        self._carries_baggage = "baggage" in formats
        self._states = "w3c" in formats

    def read(self, headers: Headers) -> tuple[Trace | None, int]:
        """What downstream says of the trace, and which format said it."""
        if self._carries_baggage:
            baggage.clean(headers)
        decision: Trace | None = None
        for place, form in enumerate(self._forms):
            trace = form.read(headers)
            if trace is not None and trace.trace_id:
                return trace, place
            decision = decision or trace
        return decision, -1

    def write(self, headers: Headers, trace: Trace, *, but: int = -1) -> None:
        """Tells upstream of the trace; `but` the format that says it already."""
        for place, form in enumerate(self._forms):
            if place != but:
                form.write(headers, trace)
        if but >= 0 and self._states:
            w3c.write_state(headers, trace.state)
