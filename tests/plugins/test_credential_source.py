"""Where credentials are found, and what is left when they are taken away."""

from urllib.parse import parse_qsl, quote, quote_plus

import pytest
from hypothesis import given
from hypothesis import strategies as st

from outrider import Request
from outrider_plugins.credential_source import CredentialSource

SOURCE = CredentialSource("x-key", "key", "sid")


def asked(query: str = "", *headers: tuple[str, str], source: CredentialSource = SOURCE) -> tuple[list[str], Request]:
    request = Request(target=f"/?{query}", headers=headers)
    found = source.find(request)
    source.remove(request)
    assert source.find(request) == []
    return found, request


@pytest.mark.parametrize(
    ("query", "found", "left"),
    [
        ("key=a", ["a"], ""),
        ("key=a&b=c", ["a"], "b=c"),
        ("b=c&key=a", ["a"], "b=c"),
        ("b=c&key=a&d=e", ["a"], "b=c&d=e"),
        ("&key=a&&b", ["a"], "&&b"),
        ("key=a&", ["a"], ""),
        ("key", [""], ""),
        ("key=", [""], ""),
        ("key=a=b", ["a=b"], ""),
        ("%6bey=a&%6B%65%79=b", ["a", "b"], ""),
        ("key=a%20b+c", ["a b c"], ""),
        ("key=a&key=b&key=c", ["a", "b"], ""),
        ("KEY=a&keys=b&akey=c&key[]=d&=key&k=key", [], "KEY=a&keys=b&akey=c&key[]=d&=key&k=key"),
        ("%256bey=a", [], "%256bey=a"),
    ],
)
def test_a_parameter_is_found_and_the_rest_of_the_query_stays(query: str, found: list[str], left: str) -> None:
    seen, request = asked(query)
    assert (seen, request.query) == (found, left)


@pytest.mark.parametrize(
    ("lines", "found", "left"),
    [
        (["sid=a"], ["a"], None),
        (["sid=a; b=c"], ["a"], "b=c"),
        (["b=c; sid=a;d=e"], ["a"], "b=c;d=e"),
        (["b=c;\tsid = a "], ["a"], "b=c"),
        (['sid="a"'], ["a"], None),
        (["sid"], [""], None),
        (["b=c", "sid=a"], ["a"], "b=c"),
        (["sid=a", "sid=b", "sid=c"], ["a", "b"], None),
        (["SID=a; sids=b; asid=c; d=sid"], [], "SID=a; sids=b; asid=c; d=sid"),
    ],
)
def test_a_cookie_is_found_and_the_others_stay(lines: list[str], found: list[str], left: str | None) -> None:
    seen, request = asked("", *(("cookie", line) for line in lines))
    assert (seen, request.headers.get("cookie")) == (found, left)


@pytest.mark.parametrize(
    ("value", "found"), [("a", ["a"]), ("a,b", ["a", "b"]), ("", [""]), ("a,b,c,d", ["a", "b", "c,d"])]
)
def test_a_header_with_a_comma_may_be_two(value: str, found: list[str]) -> None:
    seen, request = asked("", ("x-key", value))
    assert (seen, "x-key" in request.headers) == (found, False)


@given(
    st.text("aä +%&=.[☃", min_size=1, max_size=4),
    st.lists(st.tuples(st.text("aä +&=☃", max_size=3), st.text("aä +&=☃", max_size=3), st.booleans()), max_size=5),
)
def test_what_upstream_decodes_to_the_name_is_found_whatever_its_spelling(
    name: str, others: list[tuple[str, str, bool]]
) -> None:
    pairs = [*others, (name, "credential", True)]
    query = "&".join(f"{(quote_plus if plus else quote)(one)}={quote_plus(value)}" for one, value, plus in pairs)
    wanted = [value for one, value in parse_qsl(query, keep_blank_values=True) if one == name]
    seen, request = asked(query, source=CredentialSource(None, name, None))
    assert seen == wanted[:2]
    left = parse_qsl(request.query, keep_blank_values=True)
    assert left == [pair for pair in parse_qsl(query, keep_blank_values=True) if pair[0] != name]
