"""Recorded messages: `replay` runs them through plugins, and every mistake in such a file has a line of its own."""

import json
from pathlib import Path
from typing import Any

import pytest

from harness.chains import acts, returns
from outrider import OutriderError, Request, Response
from outrider.testing import replay, run
from outrider.testing.recorder import RecordRequest, RecordResponse


def written(folder: Path, *messages: object) -> Path:
    file = folder / "recorded.jsonl"
    file.write_text("\n".join(json.dumps(message) for message in messages) + "\n", encoding="utf-8")
    return file


STREAM = [
    {"request": {"method": "POST", "target": "/chat?page=1", "authority": "a.test:81", "headers": [["X-One", "1"]]}},
    {"request_chunk": "hé"},
    {"request_chunk": {"base64": "/w=="}},
    {"request_trailers": [["x-sum", "7"]]},
    {
        "response": {
            "status": 201,
            "headers": [["set-cookie", "a=1"], ["set-cookie", "b=2"], ["x", {"base64": "/w=="}]],
        }
    },
    {"response_chunk": "data: 1\n\n"},
    {"response_chunk": ""},
    {"response_trailers": [["grpc-status", "0"]]},
]


def test_a_replay_is_the_messages_as_they_came(tmp_path: Path) -> None:
    seen: list[Any] = []

    def request_chunk(_: Request, chunk: bytes, last: bool) -> bytes:
        seen.append((chunk, last))
        return chunk

    def response_chunk(_: Request, response: Response, chunk: bytes, last: bool) -> bytes:
        seen.append((response.headers.get_all("set-cookie"), chunk, last))
        return chunk

    plugin = acts(on_request_chunk=request_chunk, on_response_chunk=response_chunk)
    [outcome] = replay(plugin, written(tmp_path, *STREAM))
    cookies = ["a=1", "b=2"]
    assert seen[:2] == [("hé".encode(), False), (b"\xff", True)]
    assert seen[2:] == [(cookies, b"data: 1\n\n", False), (cookies, b"", True)]
    assert (outcome.status, outcome.headers["x"], outcome.body) == (201, "\udcff", b"data: 1\n\n")
    upstream = outcome.upstream
    assert upstream is not None
    assert (upstream.method, upstream.target, upstream.host, upstream.port) == ("POST", "/chat?page=1", "a.test", 81)
    assert upstream.headers["x-one"] == "1"


def test_each_request_of_a_file_has_an_outcome_and_one_without_an_answer_gets_an_empty_200(tmp_path: Path) -> None:
    refuse = acts(on_request=lambda request: Response(403) if request.path == "/b" else None)
    file = written(tmp_path, {"request": {}}, {"request": {"target": "/b"}}, {"request": {}}, {"request_chunk": "x"})
    outcomes = replay([refuse], str(file))
    assert [(outcome.status, outcome.upstream_body) for outcome in outcomes] == [(200, b""), (403, b""), (200, b"x")]


def test_every_mistake_of_a_file_has_a_line(tmp_path: Path) -> None:
    file = tmp_path / "bad.jsonl"
    lines = [
        '{"response": {}}',
        '{"request": {"method": "G T", "targets": "/"}}',
        "",
        "nonsense",
        "[]",
        '{"request_chunk": "a", "response_chunk": "b"}',
        '{"request": {}}',
        '{"response_chunk": "too early"}',
        '{"request_chunk": {"base64": "?"}}',
        '{"request_chunk": 7}',
        '{"response": {"status": 99}}',
        '{"response": {"headers": [["a b", "c"], ["a", "b\\r\\nc"], ["a"]]}}',
        '{"response": {}}',
        '{"response": {}}',
        '{"response_trailers": {}}',
    ]
    file.write_text("\n".join(lines))
    with pytest.raises(OutriderError) as raised:
        replay(acts(on_request=lambda _: None), file)
    told = str(raised.value).splitlines()
    assert [row.removeprefix(f"{file}:").partition(": ")[0] for row in told] == [
        *("1", "2", "2", "4", "5", "6", "8", "9", "10", "11", "12", "12", "12", "14", "15"),
    ]
    assert all(row.count(": ") >= 3 for row in told)


@pytest.mark.parametrize("data", [b"", b"\n\n", b"\xff", b'{"request_chunk": ' + b"[" * 100_000])
def test_a_file_that_is_no_recording_is_one_sentence(tmp_path: Path, data: bytes) -> None:
    file = tmp_path / "bad.jsonl"
    file.write_bytes(data)
    with pytest.raises(OutriderError) as raised:
        replay(acts(on_request=lambda _: None), file)
    assert str(raised.value).startswith(f"{file}:1: ")
    assert "\n" not in str(raised.value)


def test_a_file_that_is_not_there_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(OutriderError, match=r"absent\.jsonl:1: file: can't be read \(No such file"):
        replay(acts(on_request=lambda _: None), tmp_path / "absent.jsonl")


def recorder(file: Path, *, buffered: bool = False) -> list[Any]:
    return [RecordRequest(path=file, buffered=buffered), RecordResponse(buffered=buffered)]


def test_what_was_recorded_is_what_came_and_not_what_plugins_made_of_it(tmp_path: Path) -> None:
    file = tmp_path / "recorded"
    plugin = acts(
        on_request=lambda request: request.headers.__setitem__("x-one", "changed"),
        on_request_chunk=lambda _, chunk, __: chunk.upper(),
        on_response=lambda _, response: response.headers.__setitem__("x-two", "changed"),
        on_response_chunk=lambda _, __, chunk, ___: chunk.upper(),
    )
    request = Request("PUT", "/a?b=1", headers={"x-one": "1"}, authority="b.test")
    answer = Response(202, headers={"x-two": "2"})
    run([plugin, *recorder(file)], request, [b"a", b"\xff"], response=answer, response_chunks=[b"c", b""])
    assert [json.loads(line) for line in file.read_text().splitlines()] == [
        {"request": {"method": "PUT", "target": "/a?b=1", "authority": "b.test", "headers": [["x-one", "1"]]}},
        {"request_chunk": "a"},
        {"request_chunk": {"base64": "/w=="}},
        {"response": {"status": 202, "headers": [["x-two", "2"]]}},
        {"response_chunk": "c"},
        {"response_chunk": ""},
    ]
    [outcome] = replay(plugin, file)
    assert (outcome.status, outcome.upstream_body, outcome.body) == (202, b"A\xff", b"C")


def test_a_body_that_another_plugin_needs_whole_is_recorded_whole(tmp_path: Path) -> None:
    file = tmp_path / "recorded"
    plugin = acts(on_request_body=returns(b"changed"), on_response_body=returns(b"changed"))
    run([plugin, *recorder(file, buffered=True)], Request(), b"sent", response=Response(body=b"answered"))
    assert '{"request_chunk": "sent"}' in file.read_text()
    assert '{"response_chunk": "answered"}' in file.read_text()


def test_a_request_that_a_plugin_answers_is_recorded_without_an_answer(tmp_path: Path) -> None:
    file = tmp_path / "recorded"
    refuse = acts(on_request=lambda _: Response(403))
    run([refuse, *recorder(file)], Request())
    assert [next(iter(json.loads(line))) for line in file.read_text().splitlines()] == ["request"]
    assert replay(refuse, file)[0].status == 403


def test_what_looks_like_a_credential_is_masked(tmp_path: Path) -> None:
    file = tmp_path / "recorded"
    names = ["authorization", "Cookie", "x-api-key", "proxy-authorization", "x-auth-token", "x-signature"]
    request = Request("GET", "/?api_key=hunter2&page=1&access_token=hunter2", headers=dict.fromkeys(names, "hunter2"))
    run(recorder(file), request, response=Response(headers={"set-cookie": "s=hunter2"}))
    assert "hunter2" not in file.read_text()
    [outcome] = replay(acts(on_request=lambda _: None), file)
    assert outcome.upstream is not None
    assert outcome.upstream.query == "api_key=***&page=1&access_token=***"
    assert {outcome.upstream.headers[name] for name in names} == {"***"}


def test_a_body_that_is_too_large_is_not_recorded(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    file = tmp_path / "recorded"
    run(recorder(file), Request(), [b"x" * (9 << 20)] * 2)
    assert not file.exists()
    assert "not recorded" in caplog.text
