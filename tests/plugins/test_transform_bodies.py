"""How the transforms read and write bodies: what they take, refuse, and leave byte for byte."""

import gzip
import json
import tracemalloc
import zlib
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import TypeAdapter

from outrider import Headers, Request
from outrider.testing import Outcome, run
from outrider_plugins.json_body import read_exactly, write_json
from outrider_plugins.request_transform import RequestTransform

MIB = 1024 * 1024
ADD = {"add": {"json": {"/new": 1}}}


def send(body: bytes, config: dict[str, Any] = ADD, kind: str = "application/json", **headers: str) -> Outcome:
    sent = [("content-type", kind), *((name.replace("_", "-"), value) for name, value in headers.items())]
    plugin = TypeAdapter(RequestTransform).validate_python(config)
    outcome = run(plugin, Request("POST", headers=sent), body)
    assert outcome.error is None
    return outcome


@pytest.mark.parametrize(
    "kind",
    [
        "application/json",
        "Application/JSON ; Charset=UTF-8",
        'application/problem+json;charset="utf-8"',
        "application/json; v=1",
    ],
)
def test_json_is_known_by_its_media_type(kind: str) -> None:
    assert send(b'{"a": 1.10}', kind=kind).upstream_body == b'{"a":1.10,"new":1}'


@pytest.mark.parametrize(
    "kind",
    [
        "text/plain",
        "application/x-ndjson",
        "application/json-seq",
        "multipart/form-data; x=json",
        "application/grpc+json",
        "application/x-www-form-urlencoded",
    ],
)
def test_a_body_of_another_type_is_neither_read_nor_changed(kind: str) -> None:
    outcome = send(b"\xff{]", kind=kind)
    assert outcome.upstream is not None
    assert outcome.upstream.body_skipped
    assert outcome.upstream_body == b"\xff{]"


def test_a_body_without_a_type_is_not_changed() -> None:
    plugin = TypeAdapter(RequestTransform).validate_python(ADD)
    assert run(plugin, Request("POST"), b"{}").upstream_body == b"{}"


@pytest.mark.parametrize(
    "kind", ["application/json, text/plain", "text/plain,application/json", "application/json a"]
)
def test_a_type_that_readers_understand_differently_is_refused(kind: str) -> None:
    assert send(b"{}", kind=kind).status == 415


@pytest.mark.parametrize("body", [b"", b' {"a" :1,\n"b":[ 1.0,"\\u00fc"]} ', b"[1, 2]", b"3", b'{"new": 0}'])
def test_a_body_that_needs_no_change_stays_byte_for_byte(body: bytes) -> None:
    config = {"add": {"json": {"/new": 1}}, "remove": {"json": ["/x"]}, "replace": {"json": {"/y/z": 1}}}
    config["add"] = {"json": {"/new": 1}} if b"new" in body else {}
    outcome = send(body, config, content_digest="sha-256=:x:")
    assert outcome.upstream_body == body
    assert outcome.upstream is not None
    assert outcome.upstream.headers["content-digest"] == "sha-256=:x:"


def test_headers_that_describe_the_old_bytes_go_with_them() -> None:
    outcome = send(b"{}", content_digest="a", repr_digest="b", digest="c", content_md5="d")
    assert outcome.upstream is not None
    assert list(outcome.upstream.headers) == ["content-type"]


@pytest.mark.parametrize("number", ["1.10", "1E5", "123456789.123456789", "1" * 40, "1e-400", "-0.0", "1e22"])
def test_numbers_that_are_not_touched_stay_as_they_are_written(number: str) -> None:
    assert send(f'{{"a": {number}}}'.encode()).upstream_body == f'{{"a":{number},"new":1}}'.encode()


@pytest.mark.parametrize(
    "body",
    [
        b'{"a":1,"a":1}',
        b'{"a":{"b":[{"c":1,"\\u0063":2}]}}',
        b'{"a":"\xff"}',
        b'{"a":"\\ud800"}',
        b"NaN",
        b'{"a":Infinity}',
        b'{"a":1e400}',
        b"[" + b"1" * 4301 + b"]",
        b"[0." + b"1" * 1100 + b"]",
        b"[" * 501 + b"]" * 501,
        b'{"a":' * 501 + b"1" + b"}" * 501,
        b"{",
        b"[1,]",
        b"{} {}",
        b"{'a':1}",
        b'"\x00"',
        b" ",
        b"\xef\xbb\xbf\xef\xbb\xbf{}",
    ],
)
def test_json_that_two_readers_could_read_as_two_is_refused_or_passed_as_it_is(body: bytes) -> None:
    assert send(body).status == 400
    outcome = send(body, {**ADD, "on_bad_body": "pass"})
    assert (outcome.status, outcome.upstream_body) == (200, body)


def test_a_body_that_passes_is_no_reason_to_leave_the_headers() -> None:
    outcome = send(b"{", {"add": {"json": {"/a": 1}, "headers": {"x-a": "1"}}, "on_bad_body": "pass"}, digest="d")
    assert outcome.upstream is not None
    assert (outcome.upstream.headers["x-a"], outcome.upstream.headers["digest"]) == ("1", "d")


def hostile(kind: str) -> bytes:
    bodies = {
        "deep lists": b"[" * (MIB // 2) + b"]" * (MIB // 2),
        "deep objects": b'{"a":' * (MIB // 5),
        "a long number": b"[" + b"9" * (MIB - 2) + b"]",
        "a long fraction": b"[0." + b"9" * (MIB - 4) + b"]",
        "many large numbers": b"[" + b",".join([b"1e999"] * (MIB // 6)) + b"]",
        "names that stand twice": b"{" + b",".join([b'"a":1'] * (MIB // 6)) + b"}",
        "one name twice in many": b"[" + b",".join([b'{"a":1}'] * (MIB // 8 - 4)) + b',{"a":1.0,"b":2,"\\u0061":2}]',
        "half characters": b"[" + b",".join([b'"\\ud800"'] * (MIB // 9)) + b"]",
        "no UTF-8": b'["' + b"\xff" * (MIB - 4) + b'"]',
        "no end": b'["' + b"a" * (MIB - 2),
    }
    return bodies[kind]


HOSTILE = [
    *("deep lists", "deep objects", "a long number", "a long fraction", "many large numbers"),
    *("names that stand twice", "one name twice in many", "half characters", "no UTF-8", "no end"),
]


@pytest.mark.parametrize("kind", HOSTILE)
def test_a_mebibyte_of_hostile_json_is_refused_in_bounded_memory(kind: str) -> None:
    body = hostile(kind)
    assert 0.9 * MIB < len(body) <= MIB
    tracemalloc.start()
    try:
        # To look at the memory takes time.
        outcome = send(body, {**ADD, "timeout": 60_000})
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert outcome.status == 400
    assert peak < 100 * MIB


@pytest.mark.parametrize("kind", HOSTILE)
def test_it_is_refused_packed_too(kind: str) -> None:
    assert send(gzip.compress(hostile(kind), 1), {**ADD, "timeout": 60_000}, content_encoding="gzip").status == 400


@pytest.mark.parametrize("coding", ["gzip", "deflate"])
def test_a_bomb_is_refused_before_it_is_unpacked(coding: str) -> None:
    writer = zlib.compressobj(9, wbits=31 if coding == "gzip" else 15)
    begins = writer.flush(zlib.Z_SYNC_FLUSH)
    mebibyte = writer.compress(bytes(MIB)) + writer.flush(zlib.Z_FULL_FLUSH)
    bomb = begins + mebibyte * 1024
    assert len(bomb) < 1.1 * MIB
    plugin = TypeAdapter(RequestTransform).validate_python(ADD)
    request = Request("POST", headers={"content-type": "application/json", "content-encoding": coding})
    tracemalloc.start()
    try:
        outcome = run(plugin, request, bomb)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert outcome.status == 413
    assert peak < 10 * MIB


@pytest.mark.parametrize(("coding", "wbits"), [("gzip", 31), ("X-GZip", 31), ("deflate", 15), ("identity", 0)])
def test_a_packed_body_is_unpacked_changed_and_packed_again(coding: str, wbits: int) -> None:
    writer = zlib.compressobj(wbits=wbits) if wbits else None
    body = writer.compress(b'{"a":1}') + writer.flush() if writer else b'{"a":1}'
    sent = send(body, content_encoding=coding)
    assert sent.upstream is not None
    assert sent.upstream.headers["content-encoding"] == coding
    unpacked = zlib.decompress(sent.upstream_body, wbits) if wbits else sent.upstream_body
    assert unpacked == b'{"a":1,"new":1}'
    assert send(body, {"remove": {"json": ["/x"]}}, content_encoding=coding).upstream_body == body


@pytest.mark.parametrize(
    "body",
    [
        gzip.compress(b"{}")[:-1],
        gzip.compress(b"{}") + b"x",
        gzip.compress(b"{") + gzip.compress(b"}"),
        b"{}",
        zlib.compress(b"{}"),
    ],
    ids=["cut off", "followed by more", "two of them", "not packed", "another format"],
)
def test_a_packed_body_with_another_end_or_form_is_refused(body: bytes) -> None:
    assert send(body, content_encoding="gzip").status == 400


@pytest.mark.parametrize("coding", ["br", "zstd", "gzip, gzip", "gzip,", "compress"])
def test_another_content_coding_is_refused_or_passed(coding: str) -> None:
    assert send(b"{}", content_encoding=coding).status == 415
    assert send(b"{}", {**ADD, "on_bad_body": "pass"}, content_encoding=coding).upstream_body == b"{}"


@pytest.mark.parametrize(
    ("charset", "body", "expected"),
    [
        ("utf-8", b'\xef\xbb\xbf{"a":"\xc3\xbc"}', b'{"a":"\xc3\xbc","new":1}'),
        ("US-ASCII", b'{"a":"\\u00fc"}', b'{"a":"\\u00fc","new":1}'),
        ("iso-8859-1", b'{"a":"\xfc"}', b'{"a":"\\u00fc","new":1}'),
        ("windows-1252", b'{"a":"\x80"}', b'{"a":"\\u20ac","new":1}'),
        ("utf-16", '\ufeff{"a":"ü"}'.encode("utf-16-le"), '\ufeff{"a":"ü","new":1}'.encode("utf-16-le")),
        ("utf-16", '{"a":"😀"}'.encode("utf-16-be"), '{"a":"😀","new":1}'.encode("utf-16-be")),
        ("utf-16le", '{"a":"ü"}'.encode("utf-16-le"), '{"a":"ü","new":1}'.encode("utf-16-le")),
    ],
)
def test_a_body_is_written_in_the_charset_in_which_it_came(charset: str, body: bytes, expected: bytes) -> None:
    kind = f"application/json; charset={charset}"
    assert send(body, kind=kind).upstream_body == expected
    assert send(body, {"remove": {"json": ["/x"]}}, kind).upstream_body == body


@pytest.mark.parametrize(
    ("charset", "body", "status"),
    [
        ("us-ascii", b'"\xc3\xbc"', 400),
        ("windows-1252", b'"\x81"', 400),
        ("utf-16", b'"a"', 400),
        ("utf-16", b"\x00", 400),
        ("utf-7", b"{}", 415),
        ("ebcdic-us", b"{}", 415),
        ("utf-8; charset=utf-16", b"{}", 415),
    ],
)
def test_what_is_not_of_its_charset_or_of_one_that_nobody_reads_is_refused(
    charset: str, body: bytes, status: int
) -> None:
    assert send(body, kind=f"application/json; charset={charset}").status == status


def test_a_body_that_is_too_large_is_refused_by_its_length_before_it_comes() -> None:
    plugin = TypeAdapter(RequestTransform).validate_python({**ADD, "max_body": 10})
    headers = Headers.received({"content-type": ["application/json"], "content-length": ["11"]})
    answer = plugin.on_request(Request("POST", headers=headers))
    assert answer is not None
    assert answer.status == 413


@pytest.mark.parametrize(("length", "status"), [(10, 200), (11, 413)])
def test_the_largest_body_is_one_of_so_many_bytes_when_unpacked(length: int, status: int) -> None:
    body = json.dumps("x" * (length - 2)).encode()
    assert send(body, {**ADD, "max_body": 10}).status == status
    assert send(gzip.compress(body), {**ADD, "max_body": 10}, content_encoding="gzip").status == status


def test_a_large_body_is_changed_too() -> None:
    body = json.dumps({"a": "x" * 300_000}).encode()
    assert json.loads(send(body).upstream_body)["new"] == 1


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


@settings(deadline=None, max_examples=50)
@given(value=JSON, is_ascii=st.booleans(), indent=st.sampled_from([None, 1]))
def test_what_is_read_says_the_same_when_it_is_written(value: Any, is_ascii: bool, indent: int | None) -> None:
    try:
        raw = json.dumps(value, ensure_ascii=is_ascii, indent=indent).encode()
    except UnicodeEncodeError:
        return
    read, text = read_exactly(raw)
    assert json.loads(text) == json.loads(raw)
    assert write_json(read) == text
