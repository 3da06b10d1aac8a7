"""Downstream over TLS: which certificate it is shown, and which it shows."""

import socket
import ssl
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from cryptography import x509

from harness import http1
from harness.authority import Authority, Signed


class TlsClient:
    """Believes servers that one authority signed, and keeps what it shows in a folder."""

    def __init__(self, folder: Path, believes: Authority) -> None:
        self._folder = folder
        self._believes = believes

    @contextmanager
    def connect(
        self, port: int, name: str | None, shown: Signed | None = None, *, alpn: str = "http/1.1", ciphers: str = ""
    ) -> Generator[ssl.SSLSocket]:
        """A connection, of TLS 1.2 if it has these ciphers; raises `OSError` where the handshake fails.

        In TLS 1.3 a server refuses a client's certificate only behind the handshake, where something is read.
        """
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.load_verify_locations(cadata=self._believes.cert_pem)
        context.check_hostname = name is not None
        context.set_alpn_protocols([alpn])
        if ciphers:
            context.maximum_version = ssl.TLSVersion.TLSv1_2
            context.set_ciphers(ciphers)
        if shown is not None:
            context.load_cert_chain(self._file(shown))
        plain = socket.create_connection(("127.0.0.1", port), timeout=15)
        with plain, context.wrap_socket(plain, server_hostname=name) as connection:
            yield connection

    def request(
        self,
        port: int,
        path: str,
        *headers: tuple[str, str],
        name: str = "one.example",
        shown: Signed | None = None,
        host: str | None = None,
    ) -> http1.Message:
        """One request on a connection of its own; raises `OSError` where there is no answer."""
        with self.connect(port, name, shown) as connection:
            return ask(connection, path, *headers, host=host or name)

    def server(
        self, port: int, name: str | None, shown: Signed | None = None, *, alpn: str = "http/1.1", ciphers: str = ""
    ) -> x509.Certificate:
        """The certificate that the server shows."""
        with self.connect(port, name, shown, alpn=alpn, ciphers=ciphers) as connection:
            return x509.load_der_x509_certificate(connection.getpeercert(binary_form=True) or b"")

    def _file(self, shown: Signed) -> Path:
        path = self._folder / f"{shown.certificate.serial_number}.pem"
        if not path.exists():
            path.write_text(shown.key_pem + shown.cert_pem)
        return path


def ask(connection: socket.socket, path: str, *headers: tuple[str, str], host: str = "one.example") -> http1.Message:
    """One request on a connection that stays open; raises `OSError` where there is no answer."""
    lines = [f"GET {path} HTTP/1.1", f"host: {host}", *(f"{key}: {value}" for key, value in headers)]
    connection.sendall("\r\n".join([*lines, "", ""]).encode())
    with connection.makefile("rb") as stream:
        response = http1.read(stream)
    if response is None:
        raise ConnectionResetError("closed without a response")
    return response
