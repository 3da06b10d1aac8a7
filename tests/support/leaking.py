"""Tests that let their secrets out, each in another way: test_secrets.py sees them fail."""

import http.client
import json
import logging
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from harness import http1
from harness.outrider import Outrider
from harness.upstream import Answer, Upstream
from outrider import Plugin, Refusal, Request
from outrider.config import load
from outrider.errors import StartError
from outrider.exposition import exposition
from outrider.metrics import Metrics
from outrider.testing import Gateway, run
from signing import Signer

CONSTANT = SecretStr("a-constant-7351")
FILE = """_format_version: "3.0"
consumers:
- {username: ordinary-name-1, keyauth_credentials: [{key: KEY}]}
plugins: [{name: tracing, config: {endpoint: "http://127.0.0.1:1", headers: {x-any: HEADER}}}]
"""


class Telling(Plugin):
    """Refuses with a word."""

    word: str

    def on_request(self, _: Request, /) -> Refusal:
        return Refusal(403, self.word)


class Started(Outrider):
    """A gateway that was started by somebody else."""

    def __init__(self, bootstrap: Path) -> None:
        self._bootstrap = bootstrap
        self._seen = set()

    def is_ready(self) -> bool:
        return True

    def children(self) -> dict[int, str]:
        return {1: f"/bin/envoy --config-path {self._bootstrap} --concurrency 1"}


def child(*words: object, **fields: Any) -> None:
    """A process that prints its first word."""
    command = [sys.executable, "-c", "import sys; print(sys.argv[1])", *map(str, words)]
    subprocess.run(command, check=True, **fields)


def out_in_a_log(secret: str, _: Path) -> None:
    logging.getLogger("outrider").warning("a key: %s", secret)


def out_in_a_traceback(secret: str, _: Path) -> None:
    try:
        int(secret)
    except ValueError:
        logging.getLogger("outrider").exception("it failed")


def out_in_a_print(secret: str, _: Path) -> None:
    sys.stdout.write(secret)


def out_of_a_process_with_pipes(secret: str, _: Path) -> None:
    child(secret, capture_output=True)


def out_of_a_process_with_files(secret: str, folder: Path) -> None:
    with (folder / "stdout").open("wb") as file:
        child("not yet", stdout=file)
        child(secret, stdout=file)
    (folder / "stdout").unlink()


def out_in_metrics(secret: str, folder: Path) -> None:
    metrics = Metrics(folder / "one.metrics", slots=64)
    metrics.counter("outrider_bad_total", "What must not be.", key=secret).add()
    exposition([folder / "one.metrics"])


def out_in_a_refusal(secret: str, _: Path) -> None:
    run(Telling(word=secret), Request())


def out_in_a_refusal_over_the_wire(secret: str, _: Path) -> None:
    with Upstream() as upstream:
        upstream.answer = Answer(401, chunks=[json.dumps({"message": secret}).encode()])
        http1.request(upstream.port)


def out_in_an_error(secret: str, _: Path) -> None:
    StartError(f"no consumer is called {secret!r}")


def out_in_an_error_of_python(secret: str, _: Path) -> None:
    with pytest.raises(ValueError, match="-"):
        raise ValueError(secret)


def out_in_what_is_rendered(secret: str, _: Path) -> None:
    child(secret, "render", capture_output=True)


def out_in_rendered_modules(secret: str, folder: Path) -> None:
    (folder / "plugin.py").write_text(secret)
    child("x", "--pdk", folder, capture_output=True)


def out_in_a_bootstrap(secret: str, folder: Path) -> None:
    (folder / "envoy.json").write_text(secret)
    Started(folder / "envoy.json").ready()


def out_in_a_recording(secret: str, folder: Path) -> None:
    gateway = Gateway(Telling(word="x"), record=folder / "record")
    (folder / "record").write_text(secret)
    gateway.__exit__()


def from_a_field(_: Path) -> str:
    return SecretStr("a-secret-field-77").get_secret_value()


def from_a_header(_: Path) -> str:
    return Request(headers={"x-api-key": "a-header-88"}).headers["x-api-key"]


def from_a_header_of_two(_: Path) -> str:
    return Request(headers={"x-api-key": "some-key-17, other-key-18"}).headers["x-api-key"][-12:]


def from_a_cookie(_: Path) -> str:
    return Request(headers={"cookie": 'a=b; session="a-cookie-99"'}).headers["cookie"][-12:-1]


def from_a_parameter(_: Path) -> str:
    return Request("GET", "/x?a=b&api_key=a%20parameter-11").query and "a parameter-11"


def from_a_password(_: Path) -> str:
    Request(headers={"authorization": "Basic YWxpY2U6YS1wYXNzd29yZC0xMg=="})
    return "a-password-12"


def from_a_token(_: Path) -> str:
    return Signer("HS256").token({"sub": "alice", "jti": "13"})


def from_a_token_without_its_head(_: Path) -> str:
    return Signer("HS256").token({"sub": "alice", "jti": "14"}).rpartition(".")[2]


def from_a_field_shortened(_: Path) -> str:
    return SecretStr("a-long-secret-15-of-which-a-message-keeps-the-beginning").get_secret_value()[:30]


def from_a_field_escaped(_: Path) -> str:
    return json.dumps(SecretStr('a-"quoted"-secret-16').get_secret_value())


def from_a_raw_request(_: Path) -> str:
    with Upstream() as upstream:
        http1.request(upstream.port, "/", ("authorization", "Bearer raw-request-19"))
    return "raw-request-19"


def from_a_client(_: Path) -> str:
    with Upstream() as upstream:
        connection = http.client.HTTPConnection("127.0.0.1", upstream.port)
        connection.request("GET", "/", headers={"x-key": "of-a-client-20"})
        connection.getresponse().read()
        connection.close()
    return "of-a-client-20"


def from_a_loaded_file(folder: Path) -> str:
    file = folder / "one.yaml"
    file.write_text(FILE.replace("KEY", "loaded-key-21").partition("plugins:")[0])
    load(file, {})
    return "loaded-key-21"


def from_the_file_of_a_process(folder: Path) -> str:
    (folder / "one.yaml").write_text(FILE.replace("HEADER", "of-a-plugin-23"))
    child(folder / "one.yaml")
    return "of-a-plugin-23"


def from_a_referenced_file(folder: Path) -> str:
    (folder / "secret").write_text("of-a-file-22")
    (folder / "one.yaml").write_text(FILE.replace("KEY", "'{vault://file/secret}'"))
    child(folder / "one.yaml")
    return "of-a-file-22"


def from_a_referenced_variable(folder: Path) -> str:
    (folder / "one.yaml").write_text(FILE.replace("KEY", "'{vault://env/KEY}'"))
    child(folder / "one.yaml", env={**os.environ, "KEY": "of-the-environment-24"})
    return "of-the-environment-24"


def from_a_constant(_: Path) -> str:
    return "a-constant-7351"


WAYS_OUT = [value for name, value in list(globals().items()) if name.startswith("out_")]
SOURCES = [value for name, value in list(globals().items()) if name.startswith("from_")]


def _name(function: Any) -> str:
    name: str = function.__name__
    return name


@pytest.mark.parametrize("leak", WAYS_OUT, ids=_name)
def test_secret(leak: Any, tmp_path: Path) -> None:
    secret = SecretStr(f"{_name(leak)}-" + "0b9c2d")
    leak(secret.get_secret_value(), tmp_path)


@pytest.mark.parametrize("source", SOURCES, ids=_name)
def test_secret_printed(source: Any, tmp_path: Path) -> None:
    sys.stdout.write(f"this came out: {source(tmp_path)}")


def test_what_is_no_secret_may_come_out(tmp_path: Path) -> None:
    (tmp_path / "one.yaml").write_text(FILE.replace("KEY", "ordinary-name-1"))
    child(tmp_path / "one.yaml")
    plain = ["short", "ordinaryword", "{vault://env/SOME_KEY}", "ordinary-name-1"]
    assert len([SecretStr(one) for one in plain[:-1]]) == 3
    sys.stdout.write(f"{plain} {Request(headers={'x-api-key': 'this-stays-here-25'}).headers!r}")
