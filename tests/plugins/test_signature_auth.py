"""signature-auth: which signed requests are let in, once."""

import asyncio
import json
import sys
import time
from collections.abc import Mapping, Sequence
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from harness.callers import somebody_has
from harness.redis_server import RedisServer
from harness.signed import HMAC, USUAL, Signed, Signer, content_digest, signers
from outrider import Consumer, Consumers, Headers, Plugin, Request, Runtime
from outrider.testing import Outcome, Runner
from outrider_plugins.counting.gcra import Gcra
from outrider_plugins.key_auth import KeyAuth
from outrider_plugins.signature_auth import SignatureAuth

SIGNERS = signers()
ALICE, GUEST = Consumer("c-1", "alice"), Consumer("c-2", "guest")
PEOPLE = Consumers([ALICE, GUEST])
BODY = b'{"a": 1}'
DIGEST = {"content-digest": content_digest(BODY)}
WITH_DIGEST = (*USUAL, "content-digest")
TARGET = "/orders?page=2"


def plugin(*rows: dict[str, object], **config: Any) -> SignatureAuth:
    """With the key of the hmac signer, which is alice's, unless others are given."""
    made: Any = {"keys": list(rows) or [HMAC.row(consumer="alice")], **config}
    return SignatureAuth(**made)


def request(
    signed: Signed | None = None,
    signer: Signer = HMAC,
    method: str = "GET",
    target: str = TARGET,
    fields: Mapping[str, str] | None = None,
) -> Request:
    headers = [*(fields or {}).items(), *(signed or Signed()).headers(signer, target, method, fields=fields)]
    return Request(method, target, headers=headers)


def posted(signed: Signed | None = None, fields: Mapping[str, str] = DIGEST) -> Request:
    return request(signed or Signed(WITH_DIGEST), method="POST", fields=fields)


def send(
    auth: SignatureAuth | Sequence[Plugin],
    *sent: Request | tuple[Request, bytes],
    shared: Path | None = None,
) -> list[Outcome]:
    async def main() -> list[Outcome]:
        plugins = [auth] if isinstance(auth, SignatureAuth) else auth
        async with Runner(plugins, Runtime(PEOPLE, shared)) as runner:
            return [await runner.send(*_with_body(one)) for one in sent]

    return asyncio.run(main())


def _with_body(sent: Request | tuple[Request, bytes]) -> tuple[Request, bytes]:
    """A copy of the request, since plugins change it, and its body."""
    request, body = sent if isinstance(sent, tuple) else (sent, b"")
    return deepcopy(request), body


def statuses(auth: SignatureAuth, *sent: Request | tuple[Request, bytes]) -> list[int]:
    outcomes = send(auth, *sent)
    assert [outcome.error for outcome in outcomes] == [None] * len(outcomes)
    return [outcome.status for outcome in outcomes]


@pytest.mark.parametrize("algorithm", SIGNERS)
def test_a_signature_of_each_algorithm_proves_whose_key_it_is(algorithm: str) -> None:
    signer = SIGNERS[algorithm]
    [outcome] = send(plugin(signer.row(consumer="alice")), request(signer=signer))
    assert outcome.upstream is not None, outcome.body
    told = {name: value for name, value in outcome.upstream.headers.items() if name.startswith("x-")}
    assert told == {
        "x-consumer-id": "c-1",
        "x-consumer-username": "alice",
        "x-credential-identifier": f"key-{algorithm}",
    }
    assert statuses(plugin(signer.row()), request(Signed(parameters={"alg": algorithm}), signer)) == [200]


@pytest.mark.parametrize("algorithm", SIGNERS)
def test_a_key_is_for_its_own_algorithm_whatever_a_signature_says(algorithm: str) -> None:
    others = [signer for signer in SIGNERS.values() if signer.algorithm != algorithm]
    for other in others:
        forged = Signed(keyid=f"key-{algorithm}", parameters={"alg": other.algorithm})
        assert statuses(plugin(SIGNERS[algorithm].row()), request(forged, other)) == [401]
        forged = Signed(keyid=f"key-{algorithm}")
        assert statuses(plugin(SIGNERS[algorithm].row()), request(forged, other)) == [401]


def test_a_public_key_is_no_secret_that_somebody_could_sign_with() -> None:
    row = SIGNERS["rsa-v1_5-sha256"].row()
    forger = Signer("hmac-sha256", Signer("", HMAC.sign).sign)
    forged = request(Signed(keyid=str(row["id"]), parameters={"alg": "hmac-sha256"}), forger)
    assert statuses(plugin(row), forged) == [401]


@pytest.mark.parametrize(
    ("signed", "config", "status"),
    [
        (Signed(created=0), {}, 200),
        (Signed(created=-290), {}, 200),
        (Signed(created=-330), {}, 401),
        (Signed(created=3), {}, 200),
        (Signed(created=30), {}, 401),
        (Signed(created=30), {"leeway": 60}, 200),
        (Signed(created=-30), {"max_age": 10}, 401),
        (Signed(created=None), {}, 401),
        (Signed(created=-(10**9)), {}, 401),
        (Signed(created=10**12), {}, 401),
        (Signed(parameters={"expires": int(time.time()) + 1000}), {}, 200),
        (Signed(parameters={"expires": int(time.time()) - 60}), {}, 401),
        (Signed(parameters={"expires": "9999999999"}), {}, 401),
        (Signed(created=None, parameters={"created": "9999999999"}), {}, 401),
        (Signed(keyid="key-of-nobody"), {}, 401),
        (Signed(parameters={"tag": "orders"}), {"tag": "orders"}, 200),
        (Signed(parameters={"tag": "order"}), {"tag": "orders"}, 401),
        (Signed(), {"tag": "orders"}, 401),
        (Signed(parameters={"tag": "orders"}), {}, 200),
        (Signed(label="ours"), {"label": "ours"}, 200),
        (Signed(label="theirs"), {"label": "ours"}, 401),
        (Signed(parameters={"strange": "x"}), {}, 401),
        (Signed(parameters={"nonce": "n-1"}), {"nonce": "required"}, 200),
        (Signed(), {"nonce": "required"}, 401),
        (Signed(parameters={"nonce": ""}), {"nonce": "required"}, 401),
        (Signed(("@method", "@target-uri")), {}, 200),
        (Signed(("@method", "@authority", "@request-target")), {}, 200),
        (Signed(("@method", "@request-target")), {}, 401),
        (Signed(("@authority", "@path", "@query")), {}, 401),
        (Signed(("@method", "@authority", "@query")), {}, 401),
        (Signed(("@method", "@authority", "@path")), {}, 401),
        (Signed(()), {}, 401),
        (Signed(("@method",)), {"components": ["@method"]}, 200),
        (Signed(), {"components": ["@method", "date"]}, 401),
        (Signed(("@method", "@method", *USUAL)), {}, 401),
        (Signed((*USUAL, "@authority")), {}, 401),
    ],
)
def test_a_signature_must_be_as_the_file_wants_it(signed: Signed, config: dict[str, Any], status: int) -> None:
    assert statuses(plugin(**config), request(signed)) == [status]


@pytest.mark.parametrize(
    ("method", "target", "authority", "scheme", "changed"),
    [
        ("POST", TARGET, "localhost", "http", {}),
        ("GET", "/orders?page=3", "localhost", "http", {}),
        ("GET", "/orders", "localhost", "http", {}),
        ("GET", "/orders?page=2&page=3", "localhost", "http", {}),
        ("GET", "/admin?page=2", "localhost", "http", {}),
        ("GET", "/./orders?page=2", "localhost", "http", {}),
        ("GET", "/%6frders?page=2", "localhost", "http", {}),
        ("GET", "/orders?page=2#", "localhost", "http", {}),
        ("GET", TARGET, "other", "http", {}),
        ("GET", TARGET, "localhost:81", "http", {}),
        ("GET", TARGET, "me@localhost", "http", {}),
        ("GET", TARGET, "localhost/orders?page=2#", "http", {}),
        ("GET", TARGET, "", "http", {}),
        ("GET", "*", "localhost", "http", {}),
        ("GET", "http://localhost/orders?page=2", "localhost", "http", {}),
        ("GET", TARGET, "localhost", "http", {"x-tenant": "red"}),
    ],
)
def test_nothing_that_is_covered_can_be_changed(
    method: str, target: str, authority: str, scheme: str, changed: dict[str, str]
) -> None:
    fields = {"x-tenant": "blue"}
    signature = Signed((*USUAL, "x-tenant")).headers(HMAC, TARGET, fields=fields)
    headers = [*signature, *(fields | changed).items()]
    assert statuses(plugin(), Request("GET", TARGET, headers=[*signature, *fields.items()])) == [200]
    sent = Request(method, target, headers=headers, authority=authority, scheme=scheme)
    assert statuses(plugin(), sent) == [401]


def test_an_authority_is_compared_in_lower_case_and_without_the_usual_port() -> None:
    headers = Signed().headers(HMAC, TARGET, authority="localhost")
    for authority in ("LocalHost", "localhost:80"):
        assert statuses(plugin(), Request("GET", TARGET, headers=headers, authority=authority)) == [200]


BAD_BODIES: list[tuple[Signed, dict[str, str], bytes]] = [
    (Signed(WITH_DIGEST), DIGEST, b""),
    (Signed(WITH_DIGEST), DIGEST, BODY + b" "),
    (Signed(USUAL), DIGEST, BODY),
    (Signed(USUAL), {}, BODY),
    (Signed(USUAL), {}, b"x"),
    (Signed(WITH_DIGEST), {"content-digest": ""}, BODY),
    (Signed(WITH_DIGEST), {"content-digest": "sha-256"}, BODY),
    (Signed(WITH_DIGEST), {"content-digest": "sha-256=:AAAA:"}, BODY),
    (Signed(WITH_DIGEST), {"content-digest": "md5=:rL0Y20zC+Fzt72VPzMSk2A==:"}, BODY),
    (Signed(WITH_DIGEST), {"content-digest": f"{content_digest(BODY)}, {content_digest(b'x', 'sha-512')}"}, BODY),
    (Signed(WITH_DIGEST), {"content-digest": f"{content_digest(b'x')}, {content_digest(BODY)}"}, BODY),
]


@pytest.mark.parametrize(("signed", "fields", "body"), BAD_BODIES)
def test_a_body_that_is_not_the_signed_one_is_refused(signed: Signed, fields: dict[str, str], body: bytes) -> None:
    [outcome] = send(plugin(), (posted(signed, fields), body))
    assert (outcome.status, outcome.error, outcome.upstream) == (401, None, None)


@pytest.mark.parametrize("algorithm", ["sha-256", "sha-512"])
def test_a_body_with_its_signed_digest_passes(algorithm: str) -> None:
    fields = {"content-digest": content_digest(BODY, algorithm)}
    [outcome] = send(plugin(), (posted(fields=fields), BODY))
    assert (outcome.status, outcome.upstream_body) == (200, BODY)
    both = {"content-digest": f"{content_digest(BODY)}, {content_digest(BODY, 'sha-512')}"}
    assert statuses(plugin(), (posted(fields=both), BODY)) == [200]
    assert statuses(plugin(), posted(fields={"content-digest": content_digest(b"", algorithm)})) == [200]


def test_with_digest_off_bodies_are_not_looked_at() -> None:
    auth = plugin(digest="off")
    assert auth.hooks() == {"on_request"}
    assert statuses(auth, (request(method="POST"), BODY)) == [200]
    sent = posted(Signed(WITH_DIGEST))
    assert statuses(auth, (sent, b"other"), (sent, BODY)) == [200, 401]


def test_the_same_request_passes_once() -> None:
    sent = request(Signed(parameters={"nonce": "n-1"}))
    other = request(Signed(parameters={"nonce": "n-2"}))
    assert statuses(plugin(), sent, sent, other, sent, other) == [200, 401, 200, 401, 401]
    assert statuses(plugin(), request(), request(Signed(created=-1)), request(Signed(created=-1))) == [200, 200, 401]
    assert statuses(plugin(nonce="off"), sent, sent) == [200, 200]


def test_a_nonce_is_used_up_also_for_another_request_with_it() -> None:
    first, second = (request(Signed(parameters={"nonce": "n"}), target=target) for target in ("/a", "/b"))
    assert statuses(plugin(), first, second) == [200, 401]


def test_two_keys_may_use_the_same_nonce() -> None:
    ed = SIGNERS["ed25519"]
    sent = [request(Signed(parameters={"nonce": "n"}), signer) for signer in (HMAC, ed)]
    assert statuses(plugin(HMAC.row(), ed.row()), *sent) == [200, 200]


def test_a_second_signature_over_the_same_is_a_copy_too() -> None:
    # ECDSA: whoever has (r, s) has (r, n - s), which holds as well.
    signer = SIGNERS["ecdsa-p256-sha256"]
    order = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551

    def mirrored(base: bytes) -> bytes:
        signature = signer.sign(base)
        return signature[:32] + (order - int.from_bytes(signature[32:], "big")).to_bytes(32, "big")

    signed = Signed(created=None, parameters={"created": int(time.time())})
    copies = [request(signed, Signer(signer.algorithm, sign)) for sign in (signer.sign, mirrored)]
    assert statuses(plugin(signer.row()), *copies) == [200, 401]
    assert statuses(plugin(signer.row()), copies[1]) == [200]


def test_a_copy_with_another_body_does_not_use_up_the_signature() -> None:
    sent = posted(Signed(WITH_DIGEST, parameters={"nonce": "n"}))
    assert statuses(plugin(), (sent, b"other"), (sent, b""), (sent, BODY), (sent, BODY)) == [401, 401, 200, 401]


def test_all_workers_of_a_machine_remember_together(tmp_path: Path) -> None:
    sent = request()
    assert [send(plugin(), sent, shared=tmp_path)[0].status for _ in range(2)] == [200, 401]


def test_with_a_redis_all_machines_remember_together(redis_server: RedisServer, tmp_path: Path) -> None:
    sent = request()
    machines = [tmp_path / name for name in ("one", "two")]
    seen: list[int] = []
    for machine in machines:
        machine.mkdir()
        auth = plugin(storage=redis_server.address, storage_timeout=900, namespace="signatures")
        seen += [outcome.status for outcome in send(auth, sent, request(Signed(created=-9)), shared=machine)]
    assert seen == [200, 200, 401, 401]


def test_a_signature_is_remembered_for_longer_than_it_is_good() -> None:
    rule = Gcra(limit=1, window=311)
    used = rule.charge(rule.advance((0, 0, 0), 10**15), 1)
    for later, passes in ((0, False), (1, False), (310_999_000, False), (311_000_001, True)):
        assert rule.fits(rule.advance(used, 10**15 + later), 10**15 + later, 1) is passes


@pytest.mark.parametrize(("on_error", "status"), [("deny", 503), ("allow", 200)])
@pytest.mark.parametrize("digest", ["required", "off"])
def test_where_nobody_remembers_a_good_request_is_refused_unless_the_file_says_otherwise(
    on_error: str, status: int, digest: str, tmp_path: Path
) -> None:
    auth = plugin(on_storage_error=on_error, digest=digest)
    send(auth, request(Signed(created=-5)), shared=tmp_path)
    with somebody_has(tmp_path / "signatures" / "rate-limit"):
        good, bad = send(auth, request(), request(Signed(created=None)), shared=tmp_path)
    assert (good.status, bad.status) == (status, 401)
    assert ("retry-after" in good.headers) is (status == 503)


def test_a_refusal_says_what_a_signature_must_be_like_and_nothing_else() -> None:
    auth = plugin(tag='or"ders', label="ours")
    nothing, bad, body = send(
        auth,
        Request(),
        request(),
        (request(Signed(label="ours", parameters={"tag": 'or\\"ders'}), method="POST"), BODY),
    )
    told = 'ours=("@method" "@authority" "@path" "@query"{});created;keyid;tag="or\\"ders"'
    for outcome in (nothing, bad, body):
        assert (outcome.status, outcome.headers["www-authenticate"]) == (401, "Signature")
        assert json.loads(outcome.body)["message"] == "Unauthorized"
    assert nothing.headers["accept-signature"] == bad.headers["accept-signature"] == told.format("")
    assert body.headers["accept-signature"] == told.format(' "content-digest"')


@pytest.mark.parametrize(("hide", "seen"), [(False, 2), (True, 0)])
def test_upstream_sees_the_signature_unless_it_is_hidden(hide: bool, seen: int) -> None:
    [outcome] = send(plugin(hide=hide), request())
    assert outcome.upstream is not None
    assert sum(name.startswith("signature") for name in outcome.upstream.headers) == seen


def test_strangers_come_in_as_the_anonymous_consumer_with_no_signature() -> None:
    auth = plugin(anonymous="guest")
    copied = request()
    sent = [(Request(), b""), (request(Signed(keyid="x")), b""), (copied, b""), (copied, b""), (posted(), b"other")]
    seen = [outcome.upstream for outcome in send(auth, *sent)]
    names = [one.headers["x-consumer-username"] for one in seen if one is not None]
    assert names == ["guest", "guest", "alice", "guest", "guest"]
    assert [one is not None and "signature" in one.headers for one in seen] == [False, False, True, False, False]


def test_beside_another_auth_plugin_whoever_is_first_lets_in() -> None:
    auth = [KeyAuth(anonymous="guest", query="key", header=None), plugin(anonymous="guest")]
    sent = request(target="/orders?page=2&key=x")
    [outcome] = send(auth, sent)
    assert outcome.upstream is not None
    assert outcome.upstream.headers["x-consumer-username"] == "alice"
    assert outcome.upstream.query == "page=2"


def fields_of(*signatures: Sequence[tuple[str, str]]) -> list[tuple[str, str]]:
    return [pair for signature in signatures for pair in signature]


def test_of_several_signatures_the_one_by_a_known_key_counts() -> None:
    ours = Signed(label="ours", parameters={"tag": "a"}).headers(HMAC, TARGET)
    theirs = Signed(label="theirs", keyid="theirs").headers(SIGNERS["ed25519"], TARGET)
    ours2 = Signed(label="more", parameters={"tag": "b"}).headers(HMAC, TARGET)
    five = [Signed(label=f"l{n}", keyid=f"k{n}").headers(HMAC, TARGET) for n in range(4)]
    table: list[tuple[dict[str, Any], list[tuple[str, str]], int]] = [
        ({}, fields_of(ours, theirs), 200),
        ({}, fields_of(theirs, ours), 200),
        ({}, fields_of(theirs), 401),
        ({}, fields_of(ours, ours2), 401),
        ({"tag": "b"}, fields_of(ours, ours2), 200),
        ({"label": "ours"}, fields_of(ours, ours2), 200),
        ({"label": "none"}, fields_of(ours, ours2), 401),
        ({}, fields_of(ours, ours), 401),
        ({}, fields_of(ours, *five), 401),
        ({}, fields_of(ours, *five[:3]), 200),
        ({}, [ours[0], theirs[1]], 401),
        ({}, [*ours, theirs[0]], 401),
        ({}, [*ours, theirs[1]], 401),
        ({}, [ours[0]], 401),
        ({}, [ours[1]], 401),
    ]
    for config, headers, status in table:
        assert statuses(plugin(**config), Request("GET", TARGET, headers=headers)) == [status], headers


MALFORMED = [
    ("", ""),
    ("sig", "sig"),
    ("sig=()", "sig=::"),
    ("sig=(", "sig=:AAAA:"),
    ('sig=("@method";created=1', "sig=:AAAA:"),
    ('sig=("@method");created=-1;keyid="key-hmac-sha256"', "sig=:AAAA:"),
    ('sig=("@method");created=1.5;keyid="key-hmac-sha256"', "sig=:AAAA:"),
    ('sig=("@method");created=999999999999999;keyid="key-hmac-sha256"', "sig=:AAAA:"),
    ('sig=("@method");created=9999999999999999999;keyid="key-hmac-sha256"', "sig=:AAAA:"),
    ('sig=("@method");created;keyid="key-hmac-sha256"', "sig=:AAAA:"),
    ('sig=("@method");created=1;keyid=key-hmac-sha256', "sig=:AAAA:"),
    ('sig=("@method");created=1;keyid=("a")', "sig=:AAAA:"),
    ('sig="@method";created=1;keyid="key-hmac-sha256"', "sig=:AAAA:"),
    ('sig=1;created=1;keyid="key-hmac-sha256"', "sig=:AAAA:"),
    ('sig=("@method" "\udcff");created=1;keyid="key-hmac-sha256"', "sig=:AAAA:"),
    ('sig=("@method");created=1;keyid="key-hmac-sha256"', "sig=:A\0A:"),
    ('sig=("@method");created=1;keyid="key-hmac-sha256"', "sig=:????:"),
    ('sig=("@method");created=1;keyid="key-hmac-sha256"', 'sig="AAAA"'),
    ('sig=("@status" "@unknown");created=1;keyid="key-hmac-sha256"', "sig=:AAAA:"),
    ('sig=("@method";req);created=1;keyid="key-hmac-sha256"', "sig=:AAAA:"),
    ("sig=(" + '"a" ' * 3000 + ")", "sig=:AAAA:"),
    ("a" * 9000, "sig=:AAAA:"),
    ("sig=()", "sig=:" + "A" * 9000 + ":"),
    ("(" * 5000, "(" * 5000),
]


@pytest.mark.parametrize(("given_", "signature"), MALFORMED)
def test_what_can_not_be_read_is_refused_and_is_no_fault(given_: str, signature: str) -> None:
    headers = Headers.received({"signature-input": [given_], "signature": [signature]})
    assert statuses(plugin(), Request("GET", TARGET, headers=headers)) == [401]


@pytest.mark.parametrize(
    "component",
    ['"x-a";tr', '"@query-param";name="none"', '"@query-param"', '"x-none"', '"x-a";bs;sf', '"X-A"', '"x-a";strange'],
)
def test_a_component_that_can_not_be_had_is_refused(component: str) -> None:
    covered = " ".join([*(f'"{name}"' for name in USUAL), component])
    signed = f'({covered});created={int(time.time())};keyid="{HMAC.id}"'
    headers = {"signature-input": f"sig={signed}", "signature": "sig=:AAAA:", "x-a": "1"}
    assert statuses(plugin(), Request("GET", TARGET, headers=headers)) == [401]


def test_more_than_32_components_are_refused() -> None:
    fields = {f"x-{number}": "1" for number in range(29)}
    assert statuses(plugin(), request(Signed((*USUAL, *list(fields)[:28])), fields=fields)) == [200]
    assert statuses(plugin(), request(Signed((*USUAL, *fields)), fields=fields)) == [401]


@settings(max_examples=100, deadline=None)
@given(data=st.data())
def test_no_mutation_of_a_signed_request_is_let_in_or_a_fault(data: st.DataObject) -> None:
    headers = dict(Signed(WITH_DIGEST).headers(HMAC, TARGET, fields=DIGEST)) | DIGEST
    name = data.draw(st.sampled_from(sorted(headers)))
    value = headers[name]
    at = data.draw(st.integers(0, len(value) - 1))
    odd = data.draw(st.text(st.characters(codec=None), max_size=3) | st.sampled_from(['"', ",", ";", ":", "=("]))
    mutated = value[:at] + odd + value[at + data.draw(st.integers(0, 3)) :]
    sent = Request("GET", TARGET, headers=Headers.received({n: [v] for n, v in (headers | {name: mutated}).items()}))
    [outcome] = send(plugin(nonce="off", digest="off"), sent)
    assert outcome.error is None
    if outcome.status == 200:  # What was changed means the same, as `sig= (` or another label in both would.
        assert mutated.replace(" ", "").replace("\t", "") == value.replace(" ", "") or name == "signature"


@pytest.mark.parametrize(
    ("rows", "config", "words"),
    [
        ([], {}, "at least 1 item"),
        ([HMAC.row(), HMAC.row()], {}, "two keys have the id key-hmac-sha256: rename one"),
        ([HMAC.row(secret="x" * 31)], {}, "has a secret of 31 bytes, which can be guessed: write 32 random ones"),
        ([HMAC.row(secret="base64:????")], {}, "has a secret that is no Base64"),
        ([HMAC.row(secret="base64:AAAA")], {}, "has a secret of 3 bytes"),
        ([HMAC.row(public_key="x")], {}, "can't be read"),
        ([HMAC.row(secret=None)], {}, "for hmac-sha256 needs secret, and no public_key"),
        ([SIGNERS["ed25519"].row(secret="x" * 32)], {}, "for ed25519 needs public_key, and no secret"),
        ([SIGNERS["ed25519"].row(public_key=None)], {}, "needs public_key"),
        ([SIGNERS["ed25519"].row(algorithm="rsa-pss-sha512")], {}, "is none for rsa-pss-sha512"),
        ([SIGNERS["ecdsa-p256-sha256"].row(algorithm="ecdsa-p384-sha384")], {}, "is none for ecdsa-p384-sha384"),
        ([SIGNERS["ed25519"].row(public_key="-----BEGIN PUBLIC KEY-----\n")], {}, "has no public key as PEM"),
        ([SIGNERS["ed25519"].row(public_key="nowhere.pem")], {}, "nowhere.pem can't be read (No such file"),
        ([HMAC.row(algorithm="none")], {}, "Input should be 'hmac-sha256'"),
        ([HMAC.row(id="a b")], {}, "should match pattern"),
        ([HMAC.row()], {"components": []}, "at least 1 item"),
        ([HMAC.row()], {"components": ["@Method"]}, "is no derived component"),
        ([HMAC.row()], {"max_age": 0}, "greater than or equal to 1"),
        ([HMAC.row()], {"tag": "a\nb"}, "should match pattern"),
        ([HMAC.row()], {"on_storage_error": "allow", "timeout": 100}, "on_storage_error would never decide"),
    ],
)
def test_a_mistake_in_the_configuration_is_refused_and_shows_no_secret(
    rows: list[dict[str, object]], config: dict[str, Any], words: str
) -> None:
    made: Any = {"keys": rows, **config}
    with pytest.raises(ValidationError) as refused:
        SignatureAuth(**made)
    assert words in str(refused.value)
    assert "xxxx" not in str(refused.value)


def test_a_short_rsa_key_is_refused() -> None:
    short = rsa.generate_private_key(65537, 1024).public_key()  # noqa: S505 - that is the point
    with pytest.raises(ValidationError, match="has 1024 bits, which can be broken"):
        plugin(Signer("rsa-pss-sha512", HMAC.sign, short).row())


def test_without_the_library_one_sentence_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "outrider_plugins.signatures.verifier", None)
    monkeypatch.delattr("outrider_plugins.signatures.verifier", raising=False)
    with pytest.raises(ValidationError, match=r"package http-message-signatures: install outrider\[signatures\]"):
        plugin()


@pytest.mark.parametrize("changed", [{"max_age": 301}, {"leeway": 6}, {"max_age": 86_400}, {"max_age": 299}])
def test_a_used_signature_stays_used_when_the_file_changes_its_times(changed: dict[str, int], tmp_path: Path) -> None:
    signed = request()
    assert [one.status for one in send(plugin(), signed, shared=tmp_path)] == [200]
    assert [one.status for one in send(plugin(**changed), signed, shared=tmp_path)] == [401]


@pytest.mark.parametrize("component", ["@methd", "@status", "@query-param", "Content-Type", ""])
def test_a_component_that_no_request_has_is_a_mistake(component: str) -> None:
    with pytest.raises(ValueError, match=r"is no (derived component|header's name)"):
        plugin(components=[component])
