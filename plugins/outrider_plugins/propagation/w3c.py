"""W3C Trace Context, the Recommendation of 23 November 2021: the headers `traceparent` and `tracestate`."""

import re
from collections.abc import Iterator, Sequence

from outrider import Headers
from outrider_plugins.propagation.trace import NO_SPAN, NO_TRACE, Trace

_TRACEPARENT = re.compile(r"([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-[^,]*)?")  # section 3.2.2
_SAMPLED = 0x01

_KEY = r"[a-z][a-z0-9_*/-]{0,255}|[a-z0-9][a-z0-9_*/-]{0,240}@[a-z][a-z0-9_*/-]{0,13}"  # section 3.3.1.3.1
_VALUE = r"[\x20-\x2b\x2d-\x3c\x3e-\x7e]{0,255}[\x21-\x2b\x2d-\x3c\x3e-\x7e]"  # section 3.3.1.3.2
_MEMBER = re.compile(rf"({_KEY})={_VALUE}")
_MEMBERS = 32  # section 3.3.1.1
_LENGTH, _LONG_MEMBER = 512, 128  # section 3.3.1.5


def read(headers: Headers) -> Trace | None:
    """The trace of a request, None where it has none that is valid."""
    found = read_traceparent(headers.get_all("traceparent"))
    if found is None or "tracestate" not in headers:
        return found
    return found._replace(state=read_tracestate(headers.get_all("tracestate")))


def write(headers: Headers, trace: Trace) -> None:
    """Puts a trace in the place of whatever stood there. One that nobody decided on counts as not sampled."""
    headers["traceparent"] = write_traceparent(trace.trace_id, trace.span_id, sampled=bool(trace.sampled))
    write_state(headers, trace.state)


def write_state(headers: Headers, state: str) -> None:
    """Puts a tracestate in the place of whatever stood there."""
    if not state:
        headers.discard("tracestate")
    elif headers["tracestate"] != state:
        headers["tracestate"] = state


def read_traceparent(values: Sequence[str]) -> Trace | None:
    """The only `traceparent` of a request; None for none, several, or one that is not valid.

    Of a version above 00 the part that 00 knows is read (section 4.3); version ff and ids of zeros are not valid.
    """
    found = _TRACEPARENT.fullmatch(values[0]) if len(values) == 1 else None
    if found is None:
        return None
    version, trace_id, span_id, flags, more = found.groups()
    if version == "ff" or (version == "00" and more is not None) or trace_id == NO_TRACE or span_id == NO_SPAN:
        return None
    return Trace(trace_id, span_id, bool(int(flags, 16) & _SAMPLED))


def write_traceparent(trace_id: str, span_id: str, *, sampled: bool) -> str:
    """A `traceparent` of version 00; flags that it does not know are zero (section 3.2.2.5.2)."""
    return f"00-{trace_id}-{span_id}-{'01' if sampled else '00'}"


def read_tracestate(values: Sequence[str]) -> str:
    """All `tracestate` fields as one, in order; empty if a member is not valid, twice there, or the 33rd.

    Over 512 characters members go: those over 128 first, then the last ones (section 3.3.1.5).
    """
    members = list(_members(values)) if values else []
    if len(members) > _MEMBERS:
        return ""
    keys = {found[1] for member in members if (found := _MEMBER.fullmatch(member))}
    return _shortened(members) if len(keys) == len(members) else ""


def _members(values: Sequence[str]) -> Iterator[str]:
    """The members of a list that are not empty (section 3.3.1.1)."""
    for value in values:
        for member in value.split(","):
            if text := member.strip(" \t"):
                yield text


def _shortened(members: list[str]) -> str:
    if len(",".join(members)) > _LENGTH:
        members = [member for member in members if len(member) <= _LONG_MEMBER]
    while len(text := ",".join(members)) > _LENGTH:
        members.pop()
    return text
