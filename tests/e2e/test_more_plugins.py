"""cors, ip-restriction, policy, request-size-limit, request-termination and signature-auth behind each gateway."""

import json
import socket
from pathlib import Path
from uuid import uuid4

import grpc
import pytest

from harness import http1
from harness.outrider import Outrider, outrider, plugin, service
from harness.sample import Protocol
from harness.signed import HMAC, USUAL, Signed, content_digest
from harness.upstream import Answer, Upstream

EXT_PROC = pytest.mark.parametrize("protocol", ["ext_proc"])  # Kong shows plugins no chunks
RESPONSES = pytest.mark.parametrize("protocol", ["ext_proc", "kong"])  # ext_authz sees none
ALICE = ("x-api-key", "alice-key")
APP, EVIL = ("origin", "https://app.example"), ("origin", "https://evil.example")
PUT = ("access-control-request-method", "PUT")
FROM_UPSTREAM = [
    ("access-control-allow-origin", "https://evil.example"),
    ("access-control-expose-headers", "x-secret"),
    ("vary", "accept"),
]


def cors(message: http1.Message) -> dict[str, str]:
    return {name: value for name, value in message.headers if name.startswith(("access-control-", "vary"))}


def test_cors_answers_a_preflight_before_key_auth(gateway: Outrider, upstream: Upstream) -> None:
    response = gateway.request("/public", APP, PUT, ("access-control-request-headers", "x-a"), method="OPTIONS")
    assert (response.status, response.body) == (204, b"")
    assert cors(response) == {
        "access-control-allow-origin": "*",
        "access-control-allow-methods": "GET, HEAD, PUT, PATCH, POST, DELETE",
        "access-control-allow-headers": "x-a",
        "vary": "access-control-request-headers",
    }
    assert not upstream.requests


@pytest.mark.parametrize(
    ("method", "headers"), [("OPTIONS", [APP]), ("OPTIONS", [PUT]), ("OPTIONS", []), ("GET", [APP, PUT])]
)
def test_what_is_no_preflight_needs_its_key(
    gateway: Outrider, upstream: Upstream, method: str, headers: list[tuple[str, str]]
) -> None:
    response = gateway.request("/public", *headers, method=method)
    assert response.status == 401
    assert response.get("access-control-allow-origin") == "*"
    assert not upstream.requests
    assert gateway.request("/public", *headers, ALICE, method=method).status == 200
    assert upstream.request.method == method


def test_cors_for_all_replaces_the_origin_of_upstream(gateway: Outrider, upstream: Upstream) -> None:
    upstream.answer = Answer(headers=FROM_UPSTREAM)
    response = gateway.request("/public", ALICE)
    assert cors(response) == {
        "access-control-allow-origin": "*",
        "access-control-expose-headers": "x-total",
        "vary": "accept",
    }


@RESPONSES
def test_cors_lets_a_listed_origin_read_and_merges_vary(gateway: Outrider, upstream: Upstream) -> None:
    upstream.answer = Answer(headers=FROM_UPSTREAM)
    for _, origin in (APP, ("origin", "https://pr-7.preview.example")):
        assert cors(gateway.request("/pages", ("origin", origin), ALICE)) == {
            "access-control-allow-origin": origin,
            "access-control-allow-credentials": "true",
            "vary": "accept, origin",
        }


@RESPONSES
@pytest.mark.parametrize("headers", [[EVIL], [("origin", "null")], [APP, EVIL], []])
def test_cors_lets_no_other_origin_read_whatever_upstream_says(
    gateway: Outrider, upstream: Upstream, headers: list[tuple[str, str]]
) -> None:
    upstream.answer = Answer(headers=FROM_UPSTREAM)
    response = gateway.request("/pages", *headers, ALICE)
    assert (response.status, cors(response)) == (200, {"vary": "accept, origin"})


@RESPONSES
def test_a_preflight_of_another_origin_gets_no_leave(gateway: Outrider, upstream: Upstream) -> None:
    response = gateway.request("/pages", EVIL, PUT, method="OPTIONS")
    assert response.status == 204
    assert "access-control-allow-origin" not in cors(response)
    assert not upstream.requests


@RESPONSES
def test_a_page_can_read_why_it_was_refused(gateway: Outrider) -> None:
    response = gateway.request("/pages", APP)
    assert response.status == 401
    assert cors(response)["access-control-allow-origin"] == APP[1]
    assert cors(gateway.request("/pages", EVIL)) == {"vary": "origin"}


@RESPONSES
def test_a_page_can_read_an_error_of_the_gateway(gateway: Outrider, protocol: Protocol) -> None:
    response = gateway.request("/dead-pages", APP)
    assert response.status in {502, 503}
    assert cors(response)["access-control-allow-origin"] == APP[1]
    # A reply header; `vary` is for the response hook to merge, which Kong does not run here.
    assert cors(gateway.request("/dead-pages", EVIL)) == ({} if protocol == "kong" else {"vary": "origin"})


@pytest.mark.parametrize("headers", [[("x-closed", "")], [("X-Closed", "1")]])
def test_request_termination_answers_what_carries_its_trigger(
    gateway: Outrider, upstream: Upstream, headers: list[tuple[str, str]]
) -> None:
    response = gateway.request("/closable", *headers)
    assert response.status == 503
    assert json.loads(response.body)["message"] == "Back at noon"
    assert gateway.request("/closable?a=1&x%2dclosed").status == 503
    assert not upstream.requests
    assert gateway.request("/closable?a=x-closed").status == 200


def test_request_termination_sends_its_body_as_it_is(gateway: Outrider, upstream: Upstream) -> None:
    response = gateway.request("/gone", method="POST", body=b"x")
    assert (response.status, response.body, response.get("content-type")) == (410, b"gone", "text/x-gone")
    head = gateway.request("/gone", method="HEAD")
    assert (head.status, head.body) == (410, b"")
    assert not upstream.requests


@pytest.mark.parametrize(("source", "status"), [("127.0.0.1", 200), ("127.0.0.9", 200), ("127.0.0.2", 403)])
def test_ip_restriction_goes_by_the_address_of_the_connection(
    gateway: Outrider, upstream: Upstream, source: str, status: int
) -> None:
    where = ("127.0.0.1", gateway.port)
    with socket.create_connection(where, timeout=15, source_address=(source, 0)) as connection:
        connection.sendall(b"GET /local HTTP/1.1\r\nhost: a\r\nx-forwarded-for: 127.0.0.1\r\n\r\n")
        with connection.makefile("rb") as stream:
            response = http1.read(stream)
    assert response
    assert response.status == status
    assert len(upstream.requests) == (status == 200)


@pytest.mark.parametrize(
    ("path", "method", "headers", "status"),
    [
        ("/policed/7", "GET", [], 200),
        ("/policed/7?page=1&x=%ff", "GET", [], 200),
        ("/policed/7", "PUT", [ALICE], 200),
        ("/policed/7", "GET", [("x-tenant", "a"), ("X-Tenant", "b")], 200),
        ("/policed/7", "GET", [("x-odd", "caf\xe9")], 200),
        ("/policed", "GET", [], 403),
        ("/policed/7", "PUT", [], 405),
        ("/policed/7?page=1&page=2", "GET", [], 403),
        ("/policed/7?page=%ff", "GET", [], 403),
        ("/policed/7", "GET", [("x-tenant", "a")], 403),
        ("/policed/7", "GET", [("x-tenant", "a, b\xff")], 403),
    ],
)
def test_policy_decides_by_what_was_sent(
    gateway: Outrider, upstream: Upstream, path: str, method: str, headers: list[tuple[str, str]], status: int
) -> None:
    assert gateway.request(path, *headers, method=method).status == status
    assert len(upstream.requests) == (status == 200)


def signed(path: str, method: str = "GET", body: bytes = b"") -> list[tuple[str, str]]:
    """Header fields that sign a request; no two of them are the same."""
    fields = {"content-digest": content_digest(body)} if body else {}
    parameters = {"nonce": str(uuid4())}
    signature = Signed((*USUAL, *fields), parameters=parameters, label="sig-1")
    return [*fields.items(), *signature.headers(HMAC, path, method, "outrider.test", fields=fields)]


def test_signature_auth_lets_each_signed_request_in_once(gateway: Outrider, upstream: Upstream) -> None:
    path = "/signed/7?page=2&x=a%20b"
    headers = signed(path)
    assert [gateway.request(path, *headers).status for _ in range(2)] == [200, 401]
    assert [request.get("x-consumer-username") for request in upstream.requests] == ["alice"]
    refused = gateway.request(path)
    assert (refused.status, refused.get("www-authenticate")) == (401, "Signature")
    assert refused.get("accept-signature") == 'sig=("@method" "@authority" "@path" "@query");created;keyid'


def test_signature_auth_checks_the_body_before_it_uses_up_the_signature(
    gateway: Outrider, upstream: Upstream
) -> None:
    headers = signed("/signed", "POST", b"true")
    bodies = [b"false", b"", b"true", b"true"]
    statuses = [gateway.request("/signed", *headers, method="POST", body=body).status for body in bodies]
    assert statuses == [401, 401, 200, 401]
    assert upstream.request.body == b"true"
    assert gateway.request("/signed", *signed("/signed", "POST"), method="POST", body=b"true").status == 401


@pytest.mark.parametrize(
    ("path", "method"),
    [("/signed/8?page=2", "GET"), ("/signed/7?page=3", "GET"), ("/signed/7?page=2", "PUT"), ("/signed/7", "GET")],
)
def test_signature_auth_lets_in_only_what_was_signed(
    gateway: Outrider, upstream: Upstream, path: str, method: str
) -> None:
    assert gateway.request(path, *signed("/signed/7?page=2"), method=method).status == 401
    assert not upstream.requests


def chunked(path: str, *chunks: bytes) -> bytes:
    head = f"POST {path} HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n".encode()
    return head + b"".join(b"%x\r\n%s\r\n" % (len(chunk), chunk) for chunk in [*chunks, b""])


@EXT_PROC
@pytest.mark.parametrize("path", ["/sized", "/measured"])
@pytest.mark.parametrize("length", [0, 10])
def test_a_declared_body_up_to_the_limit_reaches_upstream(
    gateway: Outrider, upstream: Upstream, path: str, length: int
) -> None:
    assert gateway.request(path, method="POST", body=b"x" * length).status == 200
    assert upstream.request.body == b"x" * length
    assert upstream.request.get("content-length") == str(length)


@EXT_PROC
@pytest.mark.parametrize("path", ["/sized", "/measured"])
def test_a_declared_body_over_the_limit_is_refused_before_it_comes(
    gateway: Outrider, upstream: Upstream, path: str
) -> None:
    # Only the headers are sent.
    response = http1.send(gateway.port, f"POST {path} HTTP/1.1\r\nhost: a\r\ncontent-length: 11\r\n\r\n".encode())
    assert response.status == 413
    assert json.loads(response.body)["message"] == "The body is too large"
    assert not upstream.requests


DATA, HEADERS, RST_STREAM, SETTINGS, GOAWAY = 0, 1, 3, 4, 7  # RFC 9113, section 6
END_STREAM, END_HEADERS = 1, 4


def frame(kind: int, flags: int, stream: int, payload: bytes) -> bytes:
    return len(payload).to_bytes(3, "big") + bytes([kind, flags]) + stream.to_bytes(4, "big") + payload


def post_over_http2(port: int, path: str, length: str, body: bytes) -> int:
    """Sends a body with any content-length, and gives the kind of the first frame that answers it."""
    fields = [
        (":method", "POST"),
        (":path", path),
        (":scheme", "http"),
        (":authority", "a"),
        ("content-length", length),
    ]
    # Literals without an index (RFC 7541, section 6.2.2).
    block = b"".join(b"\0%c%b%c%b" % (len(name), name.encode(), len(value), value.encode()) for name, value in fields)
    with http1.connect(port) as connection, connection.makefile("rb") as stream:
        connection.sendall(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + frame(SETTINGS, 0, 0, b""))
        connection.sendall(frame(HEADERS, END_HEADERS, 1, block) + frame(DATA, END_STREAM, 1, body))
        while head := stream.read(9):
            stream.read(int.from_bytes(head[:3], "big"))
            if head[3] in (HEADERS, RST_STREAM, GOAWAY):
                return head[3]
    raise AssertionError("closed without an answer")


@EXT_PROC
@pytest.mark.parametrize(("sent", "answer"), [(10, HEADERS), (9, RST_STREAM), (11, RST_STREAM), (5000, RST_STREAM)])
def test_envoy_holds_a_declared_length_true_which_the_plugin_relies_on(
    gateway: Outrider, upstream: Upstream, sent: int, answer: int
) -> None:
    assert post_over_http2(gateway.port, "/sized", "10", b"x" * sent) == answer
    assert len(upstream.requests) == (answer == HEADERS)


@EXT_PROC
def test_a_body_of_unknown_length_passes_up_to_the_limit(gateway: Outrider, upstream: Upstream) -> None:
    assert http1.send(gateway.port, chunked("/sized", b"x" * 4, b"x" * 6)).status == 200
    assert upstream.request.body == b"x" * 10


@EXT_PROC
@pytest.mark.parametrize("chunks", [[b"x" * 11], [b"x" * 10, b"x"], [b"x" * 5000] * 3])
def test_a_body_of_unknown_length_over_the_limit_is_cut_off(
    gateway: Outrider, upstream: Upstream, chunks: list[bytes]
) -> None:
    response = http1.send(gateway.port, chunked("/sized", *chunks))
    assert response.status == 413
    # A request that breaks off may have begun there, and is never whole.
    assert all(len(request.body) <= 10 for request in upstream.requests)


@EXT_PROC
def test_a_body_without_a_length_is_refused_where_one_is_required(gateway: Outrider, upstream: Upstream) -> None:
    response = http1.send(gateway.port, chunked("/measured", b"x"))
    assert response.status == 411
    assert json.loads(response.body)["message"] == "The body needs a content-length"
    assert not upstream.requests
    assert gateway.request("/measured").status == 200


@EXT_PROC
@pytest.mark.parametrize(
    ("path", "code"),
    [("/sized/Get", grpc.StatusCode.RESOURCE_EXHAUSTED), ("/measured/Get", grpc.StatusCode.UNKNOWN)],
)
def test_a_grpc_call_has_no_length_and_is_counted(
    gateway: Outrider, upstream: Upstream, path: str, code: grpc.StatusCode
) -> None:
    with grpc.insecure_channel(f"127.0.0.1:{gateway.port}") as channel, pytest.raises(grpc.RpcError) as refused:
        channel.unary_unary(path, bytes, bytes)(b"x" * 6, timeout=15)
    assert refused.value.code() == code
    assert not upstream.requests


@pytest.mark.parametrize(
    "refused",
    [
        plugin("cors", origins=["https://app.example"]),
        plugin("request-size-limit", limit=10),
        plugin("request-size-limit", limit=10, require_content_length=True),
    ],
)
def test_what_ext_authz_can_not_do_is_refused_when_the_file_is_loaded(
    tmp_path: Path, refused: dict[str, object]
) -> None:
    file = tmp_path / "outrider.yaml"
    config = {"_format_version": "3.0", "gateway": {"protocol": "ext_authz"}, "services": [service("a", 1, refused)]}
    file.write_text(json.dumps(config))
    done = outrider("check", file)
    assert done.returncode == 1
    assert "ext_authz has not" in done.stderr + done.stdout
