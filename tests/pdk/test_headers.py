import pytest

from outrider import Headers
from outrider.errors import HeaderError, TooLateError
from outrider.headers import OWNED


def changes(headers: Headers) -> dict[str, list[str]]:
    return dict(headers.changes())


def test_names_are_case_insensitive_and_listed_in_lower_case() -> None:
    headers = Headers({"X-Team": "blue"})
    assert headers["x-team"] == headers["X-TEAM"] == "blue"
    assert "X-Team" in headers
    assert list(headers) == ["x-team"]


def test_repeated_fields_are_joined_for_one_value_and_kept_apart_for_all() -> None:
    headers = Headers([("set-cookie", "a=1"), ("x", "y"), ("set-cookie", "b=2")])
    assert headers["set-cookie"] == headers.get("set-cookie") == "a=1, b=2"
    assert headers.get_all("Set-Cookie") == ["a=1", "b=2"]
    assert list(headers.fields()) == [("set-cookie", "a=1"), ("set-cookie", "b=2"), ("x", "y")]


def test_what_was_received_counts_as_unchanged() -> None:
    headers = Headers.received({"a": ["1"]})
    assert not headers.changed
    assert changes(headers) == {}


def test_changes_are_the_final_state_of_each_touched_name() -> None:
    headers = Headers.received({"a": ["1"], "b": ["2"], "c": ["3", "4"]})
    headers["a"] = "9"
    headers["a"] = "10"
    del headers["b"]
    headers.append("c", "5")
    headers["new"] = "x"
    headers.discard("new")
    headers.discard("never-there")
    assert changes(headers) == {"a": ["10"], "b": [], "c": ["3", "4", "5"], "new": []}


def test_setting_replaces_every_field_of_the_name() -> None:
    headers = Headers.received({"a": ["1", "2"]})
    headers["a"] = "3"
    assert headers.get_all("a") == ["3"]


def test_what_is_put_replaces_every_field_of_its_names_and_stays_independent() -> None:
    headers, many = Headers.received({"a": ["1", "2"], "b": ["3"]}), Headers([("A", "4"), ("a", "5"), ("c", "6")])
    headers.put(many)
    headers.append("c", "7")
    assert changes(headers) == {"a": ["4", "5"], "c": ["6", "7"]}
    assert headers["b"] == "3"
    assert many["c"] == "6"


def test_into_headers_that_were_sent_nothing_is_put() -> None:
    headers = Headers()
    headers.seal()
    with pytest.raises(TooLateError, match="'a, b'"):
        headers.put(Headers({"a": "1", "b": "2"}))
    assert not headers.changed


def test_strip_takes_off_only_what_is_there() -> None:
    headers = Headers.received({"x-consumer-id": ["evil"], "a": ["1"]})
    headers.strip(frozenset({"x-consumer-id", "x-consumer-username"}))
    assert changes(headers) == {"x-consumer-id": []}


def test_a_copy_remembers_the_changes_and_is_independent() -> None:
    headers = Headers.received({"a": ["1"]})
    headers["b"] = "2"
    twin = headers.copy()
    headers.append("a", "3")
    del headers["b"]
    assert changes(twin) == {"b": ["2"]}
    assert twin.get_all("a") == ["1"]


def test_its_repr_shows_no_value() -> None:
    assert "secret" not in repr(Headers({"authorization": "secret"}))


@pytest.mark.parametrize(
    "name", sorted(OWNED | {"x-envoy-retry-on", "Content-Length", "Host", "content_length", "Transfer_Encoding"})
)
def test_the_gateways_own_names_can_not_be_changed(name: str) -> None:
    headers = Headers.received({name.lower(): ["1"]})
    with pytest.raises(HeaderError, match="belongs to the gateway"):
        headers[name] = "2"
    with pytest.raises(HeaderError, match="belongs to the gateway"):
        del headers[name]
    with pytest.raises(HeaderError, match="belongs to the gateway"):
        headers.append(name, "2")


@pytest.mark.parametrize("name", ["", " ", "a b", ":path", "a:b", "a\r\nb", "ä", "a\0"])
def test_a_name_that_is_no_token_is_refused(name: str) -> None:
    with pytest.raises(HeaderError, match="no header name"):
        Headers()[name] = "1"


@pytest.mark.parametrize("value", ["a\r\nx: y", "a\n", "\0", "\x7f", "\x1b[0m"])
def test_a_control_character_in_a_value_is_refused(value: str) -> None:
    with pytest.raises(HeaderError, match="control character"):
        Headers()["a"] = value


def test_a_value_without_bytes_is_refused_and_shown_nowhere() -> None:
    with pytest.raises(HeaderError) as refused:
        Headers()["a"] = "topsecret\ud800"
    assert "topsecret" not in str(refused.value)


def test_bytes_that_are_not_utf8_stay_what_they_are() -> None:
    raw = b"caf\xe9"
    headers = Headers({"a": raw.decode("utf-8", "surrogateescape")})
    assert headers["a"].encode("utf-8", "surrogateescape") == raw


def test_what_a_gateway_sent_is_not_put_since_nobody_checked_it() -> None:
    received = Headers.received({"transfer-encoding": ["chunked"], "x-a": ["1"]})
    received["x-b"] = "2"
    headers = Headers()
    headers.put(received)
    assert dict(headers) == {"x-b": "2"}
