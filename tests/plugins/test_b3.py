"""B3, single and multi, as openzipkin/b3-propagation has it."""

import pytest

from outrider import Headers
from outrider_plugins.propagation import Trace
from outrider_plugins.propagation.b3 import MULTI, read_multi, read_single, write_multi, write_single

TRACE, SPAN = "80f198ee56343ba864fe8b2a57d3eff7", "e457b5a2e4d86bd1"
SHORT = TRACE[16:]
PADDED = f"{'0' * 16}{SHORT}"
NONE = [
    *("", "x", "2", "01", TRACE, f"{TRACE}-{SPAN}-2", f"{TRACE}-{SPAN}-1-", f"{TRACE}-{SPAN}-1-xyz"),
    *(
        f"{TRACE}-{SPAN[1:]}",
        f"{TRACE[1:]}-{SPAN}",
        f"{'0' * 32}-{SPAN}",
        f"{'0' * 16}-{SPAN}",
        f"{TRACE}-{'0' * 16}",
    ),
    *(f" {TRACE}-{SPAN}", f"{TRACE}-{SPAN},1", f"{TRACE}-{SPAN}-1-{SPAN}-1", f"g{TRACE[1:]}-{SPAN}"),
    f"{TRACE}-{SPAN}-true",
]


@pytest.mark.parametrize(
    ("value", "trace"),
    [
        (f"{TRACE}-{SPAN}-1", Trace(TRACE, SPAN, sampled=True)),
        (f"{TRACE}-{SPAN}-0", Trace(TRACE, SPAN, sampled=False)),
        (f"{TRACE}-{SPAN}-d", Trace(TRACE, SPAN, sampled=True, debug=True)),
        (f"{TRACE}-{SPAN}", Trace(TRACE, SPAN, sampled=None)),
        (f"{TRACE}-{SPAN}-1-05e3ac9a4f6e3b90", Trace(TRACE, SPAN, sampled=True)),
        (f"{SHORT}-{SPAN}-1", Trace(PADDED, SPAN, sampled=True)),
        (f"{TRACE.upper()}-{SPAN.upper()}", Trace(TRACE, SPAN, sampled=None)),
        ("0", Trace("", "", sampled=False)),
        ("1", Trace("", "", sampled=True)),
        ("d", Trace("", "", sampled=True, debug=True)),
    ],
)
def test_the_single_header_is_read(value: str, trace: Trace) -> None:
    assert read_single(Headers({"b3": value})) == trace


@pytest.mark.parametrize("value", NONE)
def test_a_single_header_that_is_not_valid_says_nothing(value: str) -> None:
    assert read_single(Headers({"b3": value})) is None


def test_two_single_headers_say_nothing() -> None:
    assert read_single(Headers([("b3", "1"), ("b3", "1")])) is None
    assert read_single(Headers()) is None


IDS = {"x-b3-traceid": TRACE, "x-b3-spanid": SPAN}


@pytest.mark.parametrize(
    ("fields", "trace"),
    [
        (IDS, Trace(TRACE, SPAN, sampled=None)),
        (IDS | {"x-b3-sampled": "1"}, Trace(TRACE, SPAN, sampled=True)),
        (IDS | {"x-b3-sampled": "0", "x-b3-parentspanid": SPAN}, Trace(TRACE, SPAN, sampled=False)),
        (IDS | {"x-b3-sampled": "True"}, Trace(TRACE, SPAN, sampled=True)),
        (IDS | {"x-b3-flags": "1", "x-b3-sampled": "0"}, Trace(TRACE, SPAN, sampled=True, debug=True)),
        (IDS | {"x-b3-flags": "0"}, Trace(TRACE, SPAN, sampled=None)),
        (IDS | {"x-b3-traceid": SHORT}, Trace(PADDED, SPAN, sampled=None)),
        ({"x-b3-sampled": "0"}, Trace("", "", sampled=False)),
        ({"x-b3-flags": "1"}, Trace("", "", sampled=True, debug=True)),
    ],
)
def test_several_headers_are_read(fields: dict[str, str], trace: Trace) -> None:
    assert read_multi(Headers(fields)) == trace


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"x-b3-parentspanid": SPAN},
        {"x-b3-traceid": TRACE},
        {"x-b3-spanid": SPAN},
        IDS | {"x-b3-traceid": "0" * 32},
        IDS | {"x-b3-spanid": "0" * 16},
        IDS | {"x-b3-traceid": TRACE[1:]},
        {"x-b3-sampled": "perhaps"},
    ],
)
def test_several_headers_that_are_not_valid_say_nothing(fields: dict[str, str]) -> None:
    assert read_multi(Headers(fields)) is None


def test_a_header_twice_says_nothing() -> None:
    assert read_multi(Headers([*IDS.items(), ("x-b3-traceid", TRACE)])) is None


@pytest.mark.parametrize("sampled", [True, False])
@pytest.mark.parametrize("debug", [True, False])
def test_what_is_written_can_be_read(sampled: bool, debug: bool) -> None:
    trace = Trace(TRACE, SPAN, sampled or debug, debug=debug)
    single, multi = Headers({"b3": "junk"}), Headers(dict.fromkeys(MULTI, "junk"))
    write_single(single, trace)
    write_multi(multi, trace)
    assert read_single(single) == read_multi(multi) == trace
    assert "x-b3-parentspanid" not in multi
