"""jwt-auth: claims as headers, keys at an address, and what is wrong in a file."""

import asyncio
import json
import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from outrider import Request, Runtime
from outrider.config import ConfigError, load
from outrider.testing import Outcome, Runner, run
from outrider_plugins import jwt_auth
from outrider_plugins.jwt_auth import JwtAuth
from outrider_plugins.jwt_issuer import Issuer
from signing import Signer, jwks

ISSUER = "https://issuer.example"
KEY = Signer("ES256")


def token(**claims: Any) -> str:
    return KEY.token({"iss": ISSUER, "sub": "alice", "exp": int(time.time()) + 600, **claims})


def request(text: str, **headers: str) -> Request:
    return Request(headers={"authorization": f"Bearer {text}", **headers})


def tell(folder: Path, claims: dict[str, Any], raw: str = "", **headers: str) -> Outcome:
    """What comes of a token, this one or one with these claims, of which `x` goes into the header x-claim."""
    (folder / "jwks.json").write_bytes(jwks(KEY.row()))
    issuer = Issuer.model_validate({"issuer": ISSUER, "jwks": str(folder / "jwks.json")})
    plugin = JwtAuth(issuers=[issuer], claims_to_headers={"x": "X-Claim", "a.b": "x-nested"})
    return run(plugin, request(raw or token(**claims), **headers))


@pytest.mark.parametrize(
    ("value", "header"),
    [
        ("text", "text"),
        ("", ""),
        ("ä \U0001f600", "ä \U0001f600"),
        ("a\tb", "a\tb"),
        (7, "7"),
        (1.5, "1.5"),
        (True, "true"),
        (False, "false"),
        (["a", "b"], "a,b"),
        ([], ""),
        (["a", 1, True, None], "a,1,true,null"),
        (["a", 1, ["b"]], '["a",1,["b"]]'),
        ([{"b": "c"}, "a"], '[{"b":"c"},"a"]'),
        ({"b": [1, "ä"], "c": None}, '{"b":[1,"ä"],"c":null}'),
    ],
)
def test_a_claim_is_told_to_upstream(tmp_path: Path, value: Any, header: str) -> None:
    outcome = tell(tmp_path, {"x": value})
    assert outcome.upstream is not None
    assert outcome.upstream.headers["x-claim"] == header


@pytest.mark.parametrize(
    ("claims", "header"),
    [
        ({"a": {"b": "in"}}, "in"),
        ({"a.b": "out", "a": {"b": "in"}}, "out"),
        ({"a": {"b": {"c": 1}}}, '{"c":1}'),
        ({"a": "b"}, None),
        ({"a": ["b"]}, None),
        ({"a": {}}, None),
        ({"a": {"b": None}}, None),
        ({}, None),
    ],
)
def test_a_dot_leads_into_an_object_and_an_absent_claim_is_no_header(
    tmp_path: Path, claims: Any, header: str | None
) -> None:
    outcome = tell(tmp_path, claims, **{"x-nested": "spoofed"})
    assert outcome.upstream is not None
    assert outcome.upstream.headers.get("x-nested") == header


def test_what_downstream_says_under_these_names_is_removed_in_every_spelling(tmp_path: Path) -> None:
    outcome = tell(tmp_path, {}, **{"x-claim": "spoofed", "x_claim": "spoofed", "X-CLAIM": "spoofed"})
    assert outcome.upstream is not None
    assert "x-claim" not in outcome.upstream.headers
    assert "x_claim" not in outcome.upstream.headers


@pytest.mark.parametrize(
    "claims",
    [
        *({"x": f"a{control}b"} for control in ("\r", "\n", "\r\nx-admin: 1\r\n", "\0", "\x7f", "\x1b")),
        *({"x": ["a", "b\n"]}, {"x": "\ud800"}, {"x": "\udc80"}, {"sub": "a\r\nb"}),
    ],
)
def test_a_claim_that_can_not_stand_in_a_header_makes_the_token_a_bad_one(tmp_path: Path, claims: Any) -> None:
    outcome = tell(tmp_path, claims)
    assert (outcome.status, outcome.upstream) == (401, None)


def test_a_number_that_is_too_large_makes_the_token_a_bad_one(tmp_path: Path) -> None:
    claims = json.dumps({"iss": ISSUER, "exp": int(time.time()) + 86_400, "x": "LARGE"}).replace('"LARGE"', "1e400")
    assert tell(tmp_path, {}, raw=KEY.token(claims.encode())).status == 401


def test_a_control_character_in_an_object_is_escaped(tmp_path: Path) -> None:
    outcome = tell(tmp_path, {"x": {"a": "b\n"}})
    assert outcome.upstream is not None
    assert outcome.upstream.headers["x-claim"] == '{"a":"b\\n"}'


def test_a_claim_may_be_nested_so_deep_and_no_deeper(tmp_path: Path) -> None:
    statuses = [tell(tmp_path, {}, raw=_nested(depth)).status for depth in (40, 49, 50, 100, 1000, 5000)]
    assert statuses == [200, 200, 401, 401, 401, 401]


def _nested(depth: int) -> str:
    claims = json.dumps({"iss": ISSUER, "exp": time.time() + 600, "x": "DEEP"})
    return KEY.token(claims.replace('"DEEP"', "[" * depth + "]" * depth).encode())


@asynccontextmanager
async def issuer(*answers: bytes | None) -> AsyncGenerator[tuple[str, list[int]]]:
    """The address of a key set, and how often it was asked; None never answers."""
    asked: list[int] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        answer = answers[min(len(asked), len(answers) - 1)]
        asked.append(1)
        if answer is not None:
            writer.write(b"HTTP/1.0 200 OK\r\n\r\n" + answer)
        else:
            await reader.read()
        writer.close()
        await writer.wait_closed()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/jwks.json", asked


def remote(url: str) -> JwtAuth:
    return JwtAuth(issuers=[Issuer.model_validate({"issuer": ISSUER, "jwks": url})])


def test_keys_at_an_address_are_there_for_the_first_request(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jwt_auth, "PATIENCE", 60.0)

    async def main() -> None:
        async with issuer(jwks(KEY.row())) as (url, asked), Runner([remote(url)]) as runner:
            assert [(await runner.send(request(token()))).status for _ in range(3)] == [200] * 3
            for number in range(50):
                bad = KEY.token({"iss": ISSUER, "exp": time.time() + 60}, kid=f"unknown-{number}")
                assert (await runner.send(request(bad))).status == 401
            assert len(asked) == 1

    asyncio.run(main())


@pytest.mark.parametrize("answer", [b"<html>", b'{"keys": []}', None])
def test_without_keys_the_gateway_starts_and_tokens_are_answered_with_503(
    answer: bytes | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(jwt_auth, "PATIENCE", 0.05)

    async def main() -> None:
        async with issuer(answer) as (url, _), Runner([remote(url)], Runtime()) as runner:
            outcome = await runner.send(request(token()))
            assert (outcome.status, outcome.headers["retry-after"], outcome.upstream) == (503, "5", None)
            assert (await runner.send(Request())).status == 401
            assert (await runner.send(request(token(iss="somebody else")))).status == 401

    asyncio.run(main())


FILE = """
_format_version: "3.0"
services:
  - name: orders
    url: http://127.0.0.1:9001
    routes: [{name: orders, paths: [/orders]}]
plugins:
  - name: jwt-auth
    config: CONFIG
"""


def mistake(folder: Path, config: Any) -> str:
    file = folder / "outrider.yaml"
    file.write_text(FILE.replace("CONFIG", json.dumps(config)))
    with pytest.raises(ConfigError) as caught:
        load(file, {"jwt-auth": JwtAuth}, environ={})
    [mistake] = caught.value.mistakes
    assert mistake.line == 9
    return str(mistake).removeprefix(f"{file}:9: ").replace(str(folder), "FOLDER")


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("missing.json", "FOLDER/missing.json can't be read (No such file or directory)"),
        (".", "FOLDER can't be read (Is a directory)"),
        ("outrider.yaml", "FOLDER/outrider.yaml is no JSON"),
        ("http://issuer.example/jwks.json", "must be https, or http to loopback only"),
        ("file:///etc/passwd", "must be https, or http to loopback only"),
        (7, "must be the path of a file, or an https address"),
    ],
)
def test_keys_that_can_not_be_had_are_a_mistake_of_the_file(tmp_path: Path, source: Any, expected: str) -> None:
    told = mistake(tmp_path, {"issuers": [{"issuer": ISSUER, "jwks": source}]})
    assert expected in told
    assert told.startswith("plugins[jwt-auth].config.issuers[0].jwks: ")


MISTAKES: list[tuple[dict[str, Any], str]] = [
    (
        {"issuers": [{"issuer": ISSUER, "jwks": "good.json"}] * 2},
        "the issuer 'https://issuer.example' stands twice",
    ),
    ({"claims_to_headers": {"a": "x-a", "b": "X-A"}}, "two claims go to 'x-a'"),
    ({"claims_to_headers": {"a": "X-Consumer-Username"}}, "'x-consumer-username' is taken"),
    ({"claims_to_headers": {"a": "Authorization"}}, "'authorization' is taken"),
    ({"claims_to_headers": {"a": "host"}}, "'host' belongs to the gateway"),
    ({"claims_to_headers": {"a": "x a"}}, "'x a' is no header name"),
    ({"required_scopes": ['a" b']}, "required_scopes"),
    ({"required_scopes": ["a b"]}, "required_scopes"),
    ({"required_scopes": [""]}, "required_scopes"),
    ({"leeway": 301}, "leeway"),
    ({"leeway": -1}, "leeway"),
    ({"consumer_claim": ""}, "consumer_claim"),
    ({"issuers": [{"issuer": "", "jwks": "good.json"}]}, "issuers[0].issuer"),
    ({"issuers": [{"issuer": ISSUER, "jwks": "good.json", "algorithms": []}]}, "issuers[0].algorithms"),
    ({"issuers": [{"issuer": ISSUER, "jwks": "good.json", "algorithms": ["none"]}]}, "issuers[0].algorithms[0]"),
    ({"issuers": [{"issuer": "acme"}]}, "no jwks is given, so the issuer is asked for its keys: it must be https"),
    ({"issuers": [{"issuer": "https://a.example?b"}]}, "must be an address without a query"),
    ({"issuers": [{"issuer": ISSUER, "jwks": "good.json", "keep_keys": 599}]}, "issuers[0].keep_keys"),
    ({"header": None}, "looks for its credential nowhere"),
    ({"header": "x-token", "claims_to_headers": {"a": "X-Token"}}, "'x-token' is taken"),
    ({"any_scopes": ["a b"]}, "any_scopes"),
    ({"required_claims": {"hd": [{"a": 1}]}}, "required_claims"),
    ({"anonymous": "nobody"}, "no consumer is called 'nobody'"),
]


@pytest.mark.parametrize(("config", "expected"), MISTAKES)
def test_any_other_mistake_is_one_of_the_file_too(tmp_path: Path, config: Any, expected: str) -> None:
    (tmp_path / "good.json").write_bytes(jwks(KEY.row()))
    assert expected in mistake(tmp_path, config)


def test_a_mistake_in_jwt_secrets_is_one_of_the_file(tmp_path: Path) -> None:
    file = tmp_path / "outrider.yaml"
    bob = "{username: bob, jwt_secrets: [{key: app, algorithm: RS256, rsa_public_key: hunter2}]}"
    file.write_text(FILE.replace("CONFIG", "{}") + f"consumers: [{bob}]\n")
    with pytest.raises(ConfigError) as caught:
        load(file, {"jwt-auth": JwtAuth}, environ={})
    expected = "plugin jwt-auth: jwt_secrets of bob: rsa_public_key is no public key for RS256, write one as PEM"
    assert str(caught.value) == f"{file}:8: {expected}"
