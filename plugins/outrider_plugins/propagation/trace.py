"""A place in a trace, in the one form that all formats are read into."""

import os
from typing import NamedTuple

NO_TRACE, NO_SPAN = "0" * 32, "0" * 16
"""Ids of zeros, which are none in every format."""


class Trace(NamedTuple):
    """A trace and the span in it that sends the request: ids as 32 and 16 hexadecimal digits in lower case.

    `sampled` is None where the sender leaves the decision to whoever comes next. `state` is W3C's tracestate.
    """

    trace_id: str
    span_id: str
    sampled: bool | None
    state: str = ""
    debug: bool = False
    """B3's word for: record this one, whatever else is dropped."""


def new_trace() -> tuple[str, str]:
    """A random trace id and the span id of its first span."""
    both = os.urandom(24).hex()
    return both[:32], both[32:]


def new_span_id() -> str:
    """A random span id."""
    return os.urandom(8).hex()
