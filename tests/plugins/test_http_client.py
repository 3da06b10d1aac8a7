"""Small documents over HTTP: from servers that are good, down, slow, huge, redirecting and lying."""

import asyncio
import socket
import ssl
from collections.abc import Awaitable, Callable, Generator
from datetime import UTC, datetime, timedelta
from ipaddress import IPv4Address, IPv6Address, ip_address
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from outrider_plugins.http_client import HttpError, download
from outrider_plugins.http_client import tls as trust

Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


def says(answer: bytes) -> Serve:
    """A server that sends this and hangs up."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(answer)

    return serve


async def _tidy(serve: Serve, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        await serve(reader, writer)
        writer.close()
        await writer.wait_closed()
    finally:
        writer.transport.abort()


def fetch(
    serve: Serve,
    *,
    timeout: float = 20.0,
    limit: int = 10_000,
    scheme: str = "http",
    tls: ssl.SSLContext | None = None,
) -> bytes:
    connections: list[asyncio.Task[None]] = []

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connections.append(asyncio.ensure_future(_tidy(serve, reader, writer)))

    async def main() -> bytes:
        async with await asyncio.start_server(connected, "127.0.0.1", 0, ssl=tls) as server:
            port = server.sockets[0].getsockname()[1]
            try:
                return await download(f"{scheme}://127.0.0.1:{port}/keys?a=b", timeout=timeout, limit=limit)
            finally:
                for connection in connections:
                    connection.cancel()
                await asyncio.gather(*connections, return_exceptions=True)

    return asyncio.run(main())


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.0 200 OK\r\n\r\nbody",
        b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nbody",
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nbo\r\n2\r\ndy\r\n0\r\n\r\n",
    ],
)
def test_the_body_of_a_good_answer_is_what_comes(answer: bytes) -> None:
    assert fetch(says(answer)) == b"body"


def test_the_server_is_asked_in_few_words() -> None:
    asked: list[bytes] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(b"HTTP/1.0 200 OK\r\n\r\n")

    fetch(serve)
    first, *fields = asked[0].decode().lower().split("\r\n")
    told = dict(field.split(": ") for field in fields if not field.startswith("host: ") and field)
    assert first == "get /keys?a=b http/1.1"
    assert told == {"accept": "*/*", "accept-encoding": "identity", "user-agent": "outrider"}


@pytest.mark.parametrize("status", [b"301", b"302", b"307", b"308", b"201", b"204", b"304", b"401", b"404", b"500"])
def test_any_other_status_is_an_error_and_redirects_are_not_followed(status: bytes) -> None:
    answer = b"HTTP/1.1 " + status + b" Odd\r\nlocation: http://127.0.0.1:1/\r\ncontent-length: 0\r\n\r\n"
    with pytest.raises(HttpError, match=f"status {status.decode()}"):
        fetch(says(answer))


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"\r\n\r\n",
        b"hello",
        b"HTTP/1.1 OK\r\n\r\nbody",
        b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nbody",
        b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nbody and more",
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n4\r\nbo",
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nzz\r\nbody",
        b"HTTP/1.1 200 OK\r\n" + b"a: b\r\n" * 200 + b"\r\nbody",
        b"HTTP/1.1 200 OK\r\na: " + b"a" * 100_000,
    ],
)
def test_an_answer_that_is_none_or_not_whole_is_an_error(answer: bytes) -> None:
    with pytest.raises(HttpError):
        fetch(says(answer))


@pytest.mark.parametrize("head", [b"HTTP/1.1 200 OK\r\n\r\n", b"HTTP/1.1 200 OK\r\ncontent-length: 100000\r\n\r\n"])
def test_more_than_the_limit_is_not_read(head: bytes) -> None:
    with pytest.raises(HttpError, match="more than 10000 bytes"):
        fetch(says(head + b"a" * 100_000))


async def silent(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
    await reader.read()


async def dripping(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
    while not writer.is_closing():
        writer.write(b"a")
        await asyncio.sleep(0.001)


@pytest.mark.parametrize("serve", [silent, dripping])
@pytest.mark.parametrize("scheme", ["http", "https"])
def test_a_server_that_takes_its_time_is_left(serve: Serve, scheme: str) -> None:
    with pytest.raises(HttpError, match=r"too long|wrong version number"):
        fetch(serve, timeout=0.05, limit=1_000_000, scheme=scheme)


GOOD = b"HTTP/1.0 200 OK\r\n\r\nbody"


@pytest.fixture
def fresh_trust() -> Generator[None]:
    """The system's certificates are read once: here before and after."""
    trust.cache_clear()
    yield
    trust.cache_clear()


@pytest.mark.usefixtures("fresh_trust")
def test_a_server_with_a_certificate_that_we_trust_is_believed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tls = server_tls(tmp_path, ip_address("127.0.0.1"))
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "certificate.pem"))
    assert fetch(says(GOOD), scheme="https", tls=tls) == b"body"


@pytest.mark.usefixtures("fresh_trust")
def test_a_certificate_for_another_name_is_not_believed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tls = server_tls(tmp_path, ip_address("127.0.0.2"))
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "certificate.pem"))
    with pytest.raises(HttpError, match="certificate that is not trusted"):
        fetch(says(GOOD), scheme="https", tls=tls)


def test_a_certificate_that_nobody_vouches_for_is_not_believed(tmp_path: Path) -> None:
    with pytest.raises(HttpError, match="certificate that is not trusted"):
        fetch(says(GOOD), scheme="https", tls=server_tls(tmp_path, ip_address("127.0.0.1")))


def server_tls(folder: Path, address: IPv4Address | IPv6Address) -> ssl.SSLContext:
    """A server's side of TLS, with a certificate that it signed itself."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "issuer")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(address)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    (folder / "certificate.pem").write_bytes(certificate.public_bytes(Encoding.PEM))
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    (folder / "key.pem").write_bytes(pem)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "certificate.pem", folder / "key.pem")
    return context


def test_a_port_that_nobody_listens_on_is_an_error() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        with pytest.raises(HttpError, match="can't be reached"):
            asyncio.run(download(f"http://127.0.0.1:{taken.getsockname()[1]}/"))


def test_a_proxy_from_the_environment_is_not_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    assert fetch(says(GOOD)) == b"body"
