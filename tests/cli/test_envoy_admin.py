"""What is read of an admin interface, and what is not taken for one."""

import json
import socket
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from threading import Thread

import click
import pytest

from outrider.errors import OutriderError, StartError
from outrider_cli import envoy_admin
from outrider_cli.envoy_admin import checked, config_dump

Serve = Callable[[bytes], str]
DUMP = json.dumps({"configs": []}).encode()


def http(body: bytes, head: str = "200 OK") -> bytes:
    return f"HTTP/1.1 {head}\r\ncontent-length: {len(body)}\r\n\r\n".encode() + body


@pytest.fixture
def serve() -> Iterator[Serve]:
    """Answers one request with those bytes, and leaves the connection open."""
    with ExitStack() as stack:

        def serving(answer: bytes) -> str:
            server = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
            Thread(target=_answer, args=(server, answer, stack), daemon=True).start()
            return f"127.0.0.1:{server.getsockname()[1]}"

        yield serving


def _answer(server: socket.socket, answer: bytes, stack: ExitStack) -> None:
    connection, _ = server.accept()
    stack.enter_context(connection)
    connection.recv(65536)
    connection.sendall(answer)


@pytest.mark.parametrize(
    "address",
    ["127.0.0.1:9901", "http://localhost:9901", "http://[::1]:1/", "envoy:9901", "unix:/run/envoy/admin.sock"],
)
def test_an_address_may_have_these_forms(address: str) -> None:
    assert checked(address) == address


@pytest.mark.parametrize(
    "address",
    ["", "9901", "localhost", "https://localhost:1", "a:0", "a:70000", "unix:admin", "http://a:1/stats", "a b:1"],
)
def test_another_form_is_wrong(address: str) -> None:
    with pytest.raises(click.BadParameter, match="give HOST:PORT, http://HOST:PORT or unix:/PATH"):
        checked(address)


@pytest.mark.parametrize("form", ["{}", "http://{}", "http://{}/"])
def test_what_it_answers_is_read(serve: Serve, form: str) -> None:
    assert config_dump(form.format(serve(http(DUMP)))) == {"configs": []}


@pytest.mark.parametrize(
    "answer",
    [
        http(b"<html></html>"),
        http(b"[]"),
        http(b"[" * 100_000),
        http(b"\xff"),
        http(DUMP, "404 Not Found"),
        http(b"", "302 Found\r\nlocation: http://127.0.0.1:1/"),
        b"SSH-2.0-something\r\n",
        b"HTTP/1.1 200 OK\r\n" + b"x: y\r\n" * 1000 + b"\r\n",
    ],
    ids=["HTML", "a list", "deep", "no text", "404", "a redirect", "no HTTP", "many headers"],
)
def test_an_answer_of_somebody_else_is_one_sentence(serve: Serve, answer: bytes) -> None:
    address = serve(answer)
    with pytest.raises(OutriderError, match="is no Envoy's admin interface: give the address of that") as raised:
        config_dump(address)
    assert not isinstance(raised.value, StartError)
    assert (str(raised.value).startswith(address), "\n" in str(raised.value)) == (True, False)


def test_a_long_answer_is_not_read(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(envoy_admin, "LONGEST", 1 << 20)
    with pytest.raises(OutriderError, match="more than 1 MiB"):
        config_dump(serve(http(b" " * ((1 << 20) + 1))))


@pytest.mark.parametrize("answer", [b"", b"HTTP/1.1 200 OK\r\n", b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n{"])
def test_who_does_not_finish_is_not_waited_for(serve: Serve, answer: bytes) -> None:
    with pytest.raises(StartError, match=r"answers there \(it took more than 0\.1 s\): is it running\?"):
        config_dump(serve(answer), patience=0.1)


@pytest.mark.parametrize("address", ["127.0.0.1:1", "unix:/nowhere/admin.sock"])
def test_where_nobody_listens_nothing_starts(address: str) -> None:
    with pytest.raises(StartError, match=f"{address}: no Envoy's admin interface answers there"):
        config_dump(address)


def test_a_unix_socket_is_read(tmp_path_factory: pytest.TempPathFactory) -> None:
    path = Path(tmp_path_factory.mktemp("a")) / "s"
    with ExitStack() as stack, socket.socket(socket.AF_UNIX) as server:
        server.bind(str(path))
        server.listen()
        Thread(target=_answer, args=(server, http(DUMP), stack), daemon=True).start()
        assert config_dump(f"unix:{path}") == {"configs": []}
