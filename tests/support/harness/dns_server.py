"""A DNS server whose answers a test changes: A records that live for a second, and nothing else (RFC 1035)."""

import socketserver
import struct
import threading
from ipaddress import IPv4Address
from typing import Any, Self


class DnsServer:
    """Answers with `addresses` by name; a name that it does not have exists and has no address."""

    def __init__(self) -> None:
        self.addresses: dict[str, list[str]] = {}
        answers = self.addresses

        class Handler(socketserver.BaseRequestHandler):
            def handle(self) -> None:
                query, connection = self.request
                connection.sendto(_answer(query, answers), self.client_address)

        self._server = socketserver.ThreadingUDPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.port: int = self._server.server_address[1]

    def resolver(self) -> dict[str, Any]:
        """Envoy's `typed_dns_resolver_config`, for the bootstrap."""
        address = {"socket_address": {"address": "127.0.0.1", "port_value": self.port, "protocol": "UDP"}}
        config = {
            "@type": "type.googleapis.com/envoy.extensions.network.dns_resolver.cares.v3.CaresDnsResolverConfig",
            "resolvers": [address],
            "dns_resolver_options": {"no_default_search_domain": True},
        }
        return {"name": "envoy.network.dns_resolver.cares", "typed_config": config}

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()


def _answer(query: bytes, addresses: dict[str, list[str]]) -> bytes:
    name, end = _name(query)
    kind = int.from_bytes(query[end : end + 2])
    found = addresses.get(name, []) if kind == 1 else []
    head = struct.pack("!2sHHHHH", query[:2], 0x8580, 1, len(found), 0, 0)
    # The name is where the question has it, at byte 12.
    records = [struct.pack("!HHHIH4s", 0xC00C, 1, 1, 1, 4, IPv4Address(one).packed) for one in found]
    return head + query[12 : end + 4] + b"".join(records)


def _name(query: bytes) -> tuple[str, int]:
    labels: list[str] = []
    at = 12
    while length := query[at]:
        labels.append(query[at + 1 : at + 1 + length].decode())
        at += length + 1
    return ".".join(labels), at + 1
