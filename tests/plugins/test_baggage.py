"""W3C Baggage: what of it goes on."""

import pytest

from outrider import Headers
from outrider_plugins.propagation.baggage import LENGTH, MEMBERS, clean, entries


def cleaned(*values: str) -> list[str]:
    headers = Headers.received({"baggage": list(values)}) if values else Headers()
    clean(headers)
    return headers.get_all("baggage")


@pytest.mark.parametrize("value", ["a=1", "a=1,b=2", "a=1;p;q=2", "a=", "a=%20%C3%A9", "!#$%&'*+.^_`|~0aZ-=x:/@[]{}"])
def test_what_is_valid_goes_on_as_it_came(value: str) -> None:
    headers = Headers.received({"baggage": [value]})
    clean(headers)
    assert not headers.changed


@pytest.mark.parametrize(
    ("values", "kept"),
    [
        (["a=1", "b=2"], ["a=1,b=2"]),
        (["a=1, b=2"], ["a=1,b=2"]),
        (["a=1,,b=2,"], ["a=1,b=2"]),
        (["a=1,a=2"], ["a=1"]),
        (["a b=1,c=2"], ["c=2"]),
        (['a="1",c=2'], ["c=2"]),
        (["a=1 2,c=2"], ["c=2"]),
        (["a=1;p p,c=2"], ["c=2"]),
        (["a,c=2"], ["c=2"]),
        (["=1"], []),
        (["\xe9=1"], []),
        ([""], []),
        ([], []),
    ],
)
def test_members_that_are_not_valid_and_keys_that_came_before_are_left_out(
    values: list[str], kept: list[str]
) -> None:
    assert cleaned(*values) == kept


def test_there_is_a_limit_to_members_and_to_bytes() -> None:
    (many,) = cleaned(",".join(f"k{number}=1" for number in range(100)))
    assert len(many.split(",")) == MEMBERS
    (long,) = cleaned(",".join(f"k{number}={'x' * 1000}" for number in range(20)))
    assert 7 * 1000 < len(long) <= LENGTH
    (just,) = cleaned(f"a={'x' * (LENGTH - 2)}")
    assert len(just) == LENGTH
    assert cleaned(f"a={'x' * (LENGTH - 1)}") == []


def test_values_are_decoded() -> None:
    assert entries(Headers({"baggage": "a=1%202;p,b=%ff"})) == {"a": "1 2", "b": "\ufffd"}


@pytest.mark.parametrize("piece", [";c= ", ";c = ", "; c=", " ;c=d ", "\t;\tc\t=\t"])
def test_a_long_member_that_is_not_valid_takes_no_longer_than_its_length(piece: str) -> None:
    assert cleaned("a=b" + piece * 10_000 + '"') == []


@pytest.mark.parametrize("value", ["a = 1 ; p = 2 ;q", "a=1;p= ;q="])
def test_white_space_may_stand_around_what_separates(value: str) -> None:
    assert cleaned(value) == [value]
