"""B3, the headers of Zipkin: the single header `b3`, and several that begin with `x-b3-`.

The facts are those of openzipkin/b3-propagation: ids of 16 or 32 hexadecimal digits, a decision that may be left to
the next service, and `debug`, which means that everybody records.
"""

import re
from collections.abc import Sequence

from outrider import Headers
from outrider_plugins.propagation.trace import NO_SPAN, NO_TRACE, Trace

SINGLE = "b3"
TRACE_ID, SPAN_ID, PARENT_ID = "x-b3-traceid", "x-b3-spanid", "x-b3-parentspanid"
SAMPLED, FLAGS = "x-b3-sampled", "x-b3-flags"
MULTI = (TRACE_ID, SPAN_ID, PARENT_ID, SAMPLED, FLAGS)

_HEX = "[0-9a-fA-F]"
_SINGLE = re.compile(rf"({_HEX}{{16}}|{_HEX}{{32}})-({_HEX}{{16}})(?:-([01d])(?:-{_HEX}{{16}})?)?")
_TRACE = re.compile(rf"{_HEX}{{16}}|{_HEX}{{32}}")
_SPAN = re.compile(rf"{_HEX}{{16}}")
_DECISIONS = {"0": False, "1": True, "d": True, "true": True, "false": False}


def read_single(headers: Headers) -> Trace | None:
    """The trace in `b3`; one without ids where that has but a decision, None where it has nothing that is valid."""
    value = _only(headers.get_all(SINGLE))
    if value in ("0", "1", "d"):
        return Trace("", "", _DECISIONS[value], debug=value == "d")
    found = _SINGLE.fullmatch(value)
    if found is None:
        return None
    decision = found[3] or ""
    return _trace(found[1], found[2], _DECISIONS.get(decision), debug=decision == "d")


def read_multi(headers: Headers) -> Trace | None:
    """The trace in `x-b3-*`; one without ids where they have but a decision, None where they have nothing valid."""
    values = {name: headers.get_all(name) for name in MULTI if name in headers}
    if not values or any(len(lines) > 1 for lines in values.values()):
        return None
    trace_id, span_id = _only(values.get(TRACE_ID, ())), _only(values.get(SPAN_ID, ()))
    debug = _only(values.get(FLAGS, ())) == "1"
    decision = True if debug else _DECISIONS.get(_only(values.get(SAMPLED, ())).lower())
    if not trace_id and not span_id:
        return None if decision is None else Trace("", "", decision, debug=debug)
    if not _TRACE.fullmatch(trace_id) or not _SPAN.fullmatch(span_id):
        return None
    return _trace(trace_id, span_id, decision, debug=debug)


def write_single(headers: Headers, trace: Trace) -> None:
    """Puts a trace in the place of whatever stood there."""
    decision = "d" if trace.debug else "1" if trace.sampled else "0"
    headers[SINGLE] = f"{trace.trace_id}-{trace.span_id}-{decision}"


def write_multi(headers: Headers, trace: Trace) -> None:
    """Puts a trace in the place of whatever stood there. The parent of the span is for its own service to tell."""
    headers[TRACE_ID], headers[SPAN_ID] = trace.trace_id, trace.span_id
    headers.discard(PARENT_ID)
    if trace.debug:
        headers[FLAGS] = "1"
        headers.discard(SAMPLED)
    else:
        headers[SAMPLED] = "1" if trace.sampled else "0"
        headers.discard(FLAGS)


def _trace(trace_id: str, span_id: str, sampled: bool | None, *, debug: bool) -> Trace | None:
    trace_id, span_id = trace_id.lower().zfill(32), span_id.lower()
    if trace_id == NO_TRACE or span_id == NO_SPAN:
        return None
    return Trace(trace_id, span_id, sampled, debug=debug)


def _only(values: Sequence[str]) -> str:
    return values[0] if len(values) == 1 else ""
