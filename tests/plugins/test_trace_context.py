"""W3C Trace Context, rule by rule; the sections are those of the Recommendation of 23 November 2021."""

import re

import pytest

from outrider_plugins.propagation import Trace, new_span_id, new_trace
from outrider_plugins.propagation.w3c import read_traceparent, read_tracestate, write_traceparent

TRACE, SPAN = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
PRINTABLE = "".join(chr(code) for code in range(0x20, 0x7F) if chr(code) not in ",=")
GOOD = f"00-{TRACE}-{SPAN}-01"


def test_a_good_traceparent_has_the_trace_the_span_and_its_decision() -> None:  # section 3.2.2
    assert read_traceparent([GOOD]) == Trace(TRACE, SPAN, sampled=True)


@pytest.mark.parametrize(
    ("flags", "sampled"), [("00", False), ("01", True), ("02", False), ("03", True), ("ff", True)]
)
def test_only_the_lowest_bit_of_the_flags_says_sampled(flags: str, sampled: bool) -> None:  # section 3.2.2.5.1
    assert read_traceparent([f"00-{TRACE}-{SPAN}-{flags}"]) == Trace(TRACE, SPAN, sampled)


@pytest.mark.parametrize(
    "value",
    [
        pytest.param("", id="nothing"),
        pytest.param(GOOD.upper(), id="upper case, 3.2.2"),
        pytest.param(f"00-{TRACE[:-1]}A-{SPAN}-01", id="one letter in upper case, 3.2.2"),
        pytest.param(f"ff-{TRACE}-{SPAN}-01", id="version ff, 3.2.2.1"),
        pytest.param(f"0-{TRACE}-{SPAN}-01", id="version of one digit, 3.2.2.1"),
        pytest.param(f"000-{TRACE}-{SPAN}-01", id="version of three digits, 3.2.2.1"),
        pytest.param(f"00-{'0' * 32}-{SPAN}-01", id="trace id of zeros, 3.2.2.3"),
        pytest.param(f"00-{TRACE[:-1]}-{SPAN}-01", id="trace id too short, 3.2.2.3"),
        pytest.param(f"00-{TRACE}0-{SPAN}-01", id="trace id too long, 3.2.2.3"),
        pytest.param(f"00-{TRACE[:-1]}g-{SPAN}-01", id="trace id with another letter, 3.2.2.3"),
        pytest.param(f"00-{TRACE}-{'0' * 16}-01", id="parent id of zeros, 3.2.2.4"),
        pytest.param(f"00-{TRACE}-{SPAN[:-1]}-01", id="parent id too short, 3.2.2.4"),
        pytest.param(f"00-{TRACE}-{SPAN}0-01", id="parent id too long, 3.2.2.4"),
        pytest.param(f"00-{TRACE}-{SPAN}", id="no flags, 3.2.2.5"),
        pytest.param(f"00-{TRACE}-{SPAN}-1", id="flags of one digit, 3.2.2.5"),
        pytest.param(f"00-{TRACE}-{SPAN}-0x", id="flags that are no number, 3.2.2.5"),
        pytest.param(f"{GOOD}-", id="version 00 ends there, 3.2.2.2"),
        pytest.param(f"{GOOD}-more", id="more behind version 00, 3.2.2.2"),
        pytest.param(f"00_{TRACE}_{SPAN}_01", id="other separators, 3.2.2"),
        pytest.param(f" {GOOD}", id="a space before it"),
        pytest.param(f"{GOOD}\n", id="a line end behind it"),
        pytest.param(f"00-{TRACE[:-1]}\u0661-{SPAN}-01", id="a digit of another script"),
    ],
)
def test_a_traceparent_that_is_not_valid_says_nothing(value: str) -> None:
    assert read_traceparent([value]) is None


@pytest.mark.parametrize("version", ["01", "cc", "fe"])
@pytest.mark.parametrize("more", ["", "-", "-what-the-future-will-be-like"])
def test_of_a_higher_version_the_known_part_is_read(version: str, more: str) -> None:  # section 4.3
    assert read_traceparent([f"{version}-{TRACE}-{SPAN}-01{more}"]) == Trace(TRACE, SPAN, sampled=True)


@pytest.mark.parametrize("more", ["0", ".what", f",cc-{TRACE}-{SPAN}-01"])
def test_of_a_higher_version_the_flags_end_with_a_dash_or_with_the_value(more: str) -> None:  # section 4.3
    assert read_traceparent([f"cc-{TRACE}-{SPAN}-01{more}"]) is None


@pytest.mark.parametrize("values", [[], [GOOD, GOOD], [f"{GOOD}, {GOOD}"], [f"{GOOD},{GOOD}"]])
def test_none_and_several_say_nothing(values: list[str]) -> None:  # section 3.2: the header is one value
    assert read_traceparent(values) is None


def test_a_traceparent_that_is_written_can_be_read() -> None:
    for sampled in (True, False):
        trace_id, span_id = new_trace()
        assert read_traceparent([write_traceparent(trace_id, span_id, sampled=sampled)]) == Trace(
            trace_id, span_id, sampled
        )


def test_a_written_traceparent_is_of_version_00_and_sets_no_flag_that_it_does_not_know() -> None:  # section 3.2.2.5.2
    assert write_traceparent(TRACE, SPAN, sampled=True) == GOOD
    assert write_traceparent(TRACE, SPAN, sampled=False) == f"00-{TRACE}-{SPAN}-00"


def test_new_trace_are_random_digits_of_their_length() -> None:  # sections 3.2.2.3 and 3.2.2.4
    ids = [(*new_trace(), new_span_id()) for _ in range(100)]
    assert all(re.fullmatch("[0-9a-f]{32} [0-9a-f]{16} [0-9a-f]{16}", " ".join(one)) for one in ids)
    assert len({one for three in ids for one in three}) == 300


@pytest.mark.parametrize(
    ("values", "read"),
    [
        ([], ""),
        (["foo=1"], "foo=1"),
        (["foo=1,bar=2"], "foo=1,bar=2"),
        pytest.param(["foo=1", "bar=2,baz=3"], "foo=1,bar=2,baz=3", id="several fields keep their order, 3.3.1"),
        pytest.param(["foo=1 \t, \tbar=2"], "foo=1,bar=2", id="space around a member, 3.3.1.1"),
        pytest.param(["foo=1,,bar=2", "", ","], "foo=1,bar=2", id="empty members, 3.3.1.1"),
        pytest.param([f"{'z' * 256}=1"], f"{'z' * 256}=1", id="a key of 256 characters, 3.3.1.3.1"),
        pytest.param(["a-_*/9=1"], "a-_*/9=1", id="all characters of a key, 3.3.1.3.1"),
        pytest.param(
            [f"{'t' * 241}@{'v' * 14}=1"],
            f"{'t' * 241}@{'v' * 14}=1",
            id="a tenant of 241 and a system of 14, 3.3.1.3.1",
        ),
        pytest.param(["0a@b=1"], "0a@b=1", id="a tenant that begins with a digit, 3.3.1.3.1"),
        pytest.param([f"a={'v' * 256}"], f"a={'v' * 256}", id="a value of 256 characters, 3.3.1.3.2"),
        pytest.param([f"a={PRINTABLE}"], f"a={PRINTABLE}", id="all characters of a value, 3.3.1.3.2"),
    ],
)
def test_a_good_tracestate_goes_on_as_one_field(values: list[str], read: str) -> None:
    assert read_tracestate(values) == read


@pytest.mark.parametrize(
    "member",
    [
        pytest.param("foo", id="no value, 3.3.1.2"),
        pytest.param("=1", id="no key, 3.3.1.2"),
        pytest.param("foo=", id="an empty value, 3.3.1.3.2"),
        pytest.param("foo =1", id="space behind the key, 3.3.1.3.1"),
        pytest.param("FOO=1", id="a key in upper case, 3.3.1.3.1"),
        pytest.param("foo.bar=1", id="a key with a dot, 3.3.1.3.1"),
        pytest.param("0foo=1", id="a key that begins with a digit, 3.3.1.3.1"),
        pytest.param(f"{'z' * 257}=1", id="a key that is too long, 3.3.1.3.1"),
        pytest.param(f"{'t' * 242}@v=1", id="a tenant that is too long, 3.3.1.3.1"),
        pytest.param(f"t@{'v' * 15}=1", id="a system that is too long, 3.3.1.3.1"),
        pytest.param("@v=1", id="no tenant, 3.3.1.3.1"),
        pytest.param("t@=1", id="no system, 3.3.1.3.1"),
        pytest.param("t@9v=1", id="a system that begins with a digit, 3.3.1.3.1"),
        pytest.param("t@v@w=1", id="two systems, 3.3.1.3.1"),
        pytest.param("foo=1=2", id="a value with an equals sign, 3.3.1.3.2"),
        pytest.param(f"foo={'v' * 257}", id="a value that is too long, 3.3.1.3.2"),
        pytest.param("foo=a\tb", id="a value with a tab, 3.3.1.3.2"),
        pytest.param("foo=grün", id="a value that is not ASCII, 3.3.1.3.2"),
        pytest.param("bar=2", id="a key that is there twice, 3.3.1.3"),
    ],
)
def test_one_bad_member_takes_the_whole_tracestate_away(member: str) -> None:  # section 4.3
    assert read_tracestate(["bar=1"]) == "bar=1"
    assert read_tracestate([f"bar=1,{member}"]) == ""
    assert read_tracestate([member, "bar=1"]) == ""


def test_32_members_are_the_most() -> None:  # section 3.3.1.1
    members = [f"k{number}={number}" for number in range(33)]
    assert read_tracestate([",".join(members[:32])]) == ",".join(members[:32])
    assert read_tracestate(members) == ""


def test_512_characters_go_on_whole() -> None:  # section 3.3.1.5
    members = ",".join(f"k{number}={'v' * 124}" for number in range(4))
    assert len(members) == 511
    assert read_tracestate([f"{members}v"]) == f"{members}v"


def test_over_512_characters_long_members_go_first() -> None:  # section 3.3.1.5
    long, short = f"long={'v' * 124}", [f"k{number}={'v' * 60}" for number in range(7)]
    assert len(long) == 129
    assert read_tracestate([long, *short]) == ",".join(short)


def test_over_512_characters_the_last_members_go() -> None:  # section 3.3.1.5
    members = [f"k{number}={'v' * 125}" for number in range(5)]
    assert [len(member) for member in members] == [128] * 5
    assert read_tracestate(members) == ",".join(members[:3])
