"""Regular expressions of routes: what is read, what everything begins with, and what takes no time to compare."""

import re
from time import monotonic

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from outrider.regex import RegexError, header_regex, path_regex
from outrider.regex.checked import machine_of


@pytest.mark.parametrize(
    ("pattern", "text", "literal"),
    [
        ("/", "/", "/"),
        ("/orders", "/orders", "/orders"),
        (r"/orders/\d+$", r"/orders/\d+$", "/orders/"),
        ("/a(?<id>b)(?P<other>c)(d)", "/abcd", "/a"),
        ("/a(b|c)d", "/a(?:b|c)d", "/a"),
        ("/ab*", "/ab*", "/a"),
        ("/ab?c", "/ab?c", "/a"),
        (r"/a\.b\-c", r"/a\.b\-c", "/a.b-c"),
        (r"/\x61", "/a", "/a"),
        ("/(?i)a/b", "/(?i:a/b)", "/"),
        ("/x(?i:a)b", "/x(?i:a)b", "/x"),
        ("/a b", "/a%20b", "/a"),
        ("/\u00e9+", "/(?:%[Cc]3%[Aa]9)+", "/"),
        ("/a%2Cb", "/a%2[Cc]b", "/a"),
        ("/(ab){2,3}?", "/(?:ab){2,3}?", "/"),
        ("/[a-z]{1,255}", "/[a-z]{1,255}", "/"),
    ],
)
def test_an_expression_is_read_for_re2_with_what_everything_begins_with(
    pattern: str, text: str, literal: str
) -> None:
    found = path_regex(pattern)
    assert (found.text, found.literal.partition("%")[0]) == (text, literal)


@pytest.mark.parametrize(
    ("pattern", "to_end", "greedy"),
    [
        ("/a$", True, True),
        ("/a.*", True, True),
        ("/a.+", True, True),
        ("/a.*?", False, False),
        ("/(?i)a$", True, True),
        (r"/a\$", False, True),
        ("/a(b|c)", False, False),
        ("/a[^/]+", False, True),
        ("/ab??", False, False),
        ("/ab?", False, True),
    ],
)
def test_what_is_known_of_where_a_match_ends(pattern: str, to_end: bool, greedy: bool) -> None:
    found = path_regex(pattern)
    assert (found.to_end, found.greedy) == (to_end, greedy)


PIECES = st.sampled_from(["a", "b", ".", "[ab]", "[^a]", r"\w", r"\d", r"\b", "^", "$", "1", "-"])
EXPRESSIONS = st.recursive(
    PIECES,
    lambda inner: (
        st.lists(inner, min_size=1, max_size=3).map("".join)
        | st.lists(inner, min_size=1, max_size=3).map(lambda some: f"({'|'.join(some)})")
        | inner.map(lambda one: f"(?:{one})*")
        | inner.map(lambda one: f"(?:{one}){{1,2}}")
        | inner.map(lambda one: f"(?i:{one})?")
    ),
    max_leaves=6,
)


@given(EXPRESSIONS, st.lists(st.text("abAB1-", max_size=6), min_size=1, max_size=4))
@settings(max_examples=300, deadline=None)
def test_the_machine_finds_what_the_expression_describes(expression: str, texts: list[str]) -> None:
    machine, expected = machine_of(f"/{expression}", is_path=True), re.compile(f"/{expression}", re.ASCII)
    for text in texts:
        assert machine.matches(f"/{text}") == bool(expected.match(f"/{text}")), text
        assert bool(re.match(path_regex(f"/{expression}").text, f"/{text}", re.ASCII)) == machine.matches(f"/{text}")


@given(st.lists(PIECES, min_size=1, max_size=4).map("|".join), st.text("abAB1-", max_size=6))
@settings(max_examples=150, deadline=None)
def test_the_machine_finds_it_anywhere_in_a_header(expression: str, text: str) -> None:
    found = machine_of(expression, is_path=False).matches(text.lower(), anywhere=True)
    assert found == bool(re.search(expression, text.lower(), re.ASCII))
    # Envoy compares the whole value, and has several with commas between.
    whole = re.compile(f"(?i:.*(?:{header_regex(expression).text}).*)", re.ASCII)
    assert bool(whole.fullmatch(text)) == found


@pytest.mark.parametrize("pattern", ["/(a+)+$", "/(a|a)*$", "/(a|aa)+$", "/(.*)*(.*)*(.*)*$b", "/(a{1,30}){1,30}$"])
def test_no_expression_makes_a_long_path_take_long(pattern: str) -> None:
    began = monotonic()
    assert not machine_of(pattern, is_path=True).matches(f"/{'a' * 2000}!")
    assert monotonic() - began < 5


@pytest.mark.parametrize("pattern", ["/(a{40}){40}", "/a{1001}", "/" + "(" * 60 + "a" + ")" * 60])
def test_what_would_grow_too_large_is_refused(pattern: str) -> None:
    with pytest.raises(RegexError):
        path_regex(pattern)


ESCAPED = [
    (r"/vault/[^/]{4}$", "/vault/%22%22%22%22", True),
    (r"/vault/[^/]{1,4}$", "/vault/%22%22%22%22%22", False),
    (r"/a/.$", "/a/%C3%a9", True),
    (r"/a/.b$", "/a/%E4%B8%ADb", True),
    (r"/a/\s+b$", "/a/%20%09b", True),
    (r"/a/[^\s]b$", "/a/%20b", False),
    (r"/a/[\" ]b$", "/a/%22b", True),
    (r"/a/\d$", "/a/%31", False),
    (r"/a/[^/]+/b$", "/a/%22%C3%A9/b", True),
]


@pytest.mark.parametrize(("pattern", "path", "matches"), ESCAPED)
def test_a_class_matches_what_it_matches_unescaped(pattern: str, path: str, matches: bool) -> None:
    assert machine_of(pattern, is_path=True).matches(path) is matches
    assert bool(re.match(path_regex(pattern).text, path, re.ASCII)) is matches
