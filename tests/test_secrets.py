"""The search of the whole suite for the secrets that it uses: it finds what is there to be found."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from harness.secret_outputs import written
from harness.secret_watch import KINDS
from harness.secrets import Secrets, is_plain

LEAKING = Path(__file__).parent / "support" / "leaking.py"
_NAMES = re.findall(r"^def ((?:out|from)_\w+)", LEAKING.read_text(), re.MULTILINE)
_KIND = {
    "out_in_a_log": "log",
    "out_in_a_traceback": "log",
    "out_in_a_print": "printed",
    "out_of_a_process_with_pipes": "process",
    "out_of_a_process_with_files": "process",
    "out_in_metrics": "metrics",
    "out_in_a_refusal": "refusal",
    "out_in_a_refusal_over_the_wire": "refusal",
    "out_in_an_error": "error",
    "out_in_an_error_of_python": "error",
    "out_in_what_is_rendered": "rendered",
    "out_in_rendered_modules": "rendered",
    "out_in_a_bootstrap": "bootstrap",
    "out_in_a_recording": "recording",
}


@pytest.fixture(scope="module")
def run() -> str:
    """What pytest says of tests that let secrets out."""
    command = [sys.executable, "-m", "pytest", "-n0", "-p", "no:cacheprovider", str(LEAKING)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    return done.stdout


@pytest.fixture(scope="module")
def failures(run: str) -> dict[str, str]:
    """What is said of each failure."""
    parts = re.split(r"^_+ ERROR at teardown of \w+\[(\S+)\] _+$", run, flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


@pytest.mark.parametrize("name", _NAMES)
def test_a_secret_that_came_out_fails_its_test(failures: dict[str, str], name: str) -> None:
    kind = _KIND.get(name, "printed")
    assert f"A secret came out. {kind}: " in failures[name]


def test_no_other_test_fails(failures: dict[str, str], run: str) -> None:
    assert sorted(failures) == sorted(_NAMES)
    assert "FAILED" not in run


def test_what_is_said_of_a_secret_is_where_it_came_from_and_not_the_secret(failures: dict[str, str]) -> None:
    assert "the request header x-api-key, behind 'this came out: '" in failures["from_a_header"]
    assert "this came out: (secret)" in failures["from_a_header"]
    assert "a-header-88" not in failures["from_a_header"]
    assert "of-which" not in failures["from_a_field_shortened"]
    assert "a plugin's x-any of one.yaml" in failures["from_the_file_of_a_process"]
    assert "0b9c2d" not in "".join(failures.values())


def test_each_kind_of_output_is_searched(run: str) -> None:
    (line,) = re.findall(r"^\d+ secrets .*", run, re.MULTILINE)
    for kind in KINDS:
        assert re.search(rf"[1-9]\d* {kind}\b", line), line
    assert set(_KIND.values()) == set(KINDS)


@pytest.mark.parametrize("before", range(9))
@pytest.mark.parametrize("text", ["a-secret", "a-secret-1", "ä-sécret\udcff", "x" * 5000 + "1"])
def test_a_secret_is_found_wherever_it_stands(text: str, before: int) -> None:
    secrets = Secrets()
    secrets.use(text, "here")
    raw = text.encode("utf-8", "surrogatepass")
    assert {secret.origin for secret in secrets.found(b"." * before + raw + b"..", 0).values()} == {"here"}
    assert not secrets.found(b"." * before + raw[:10] + b"..", 0) or len(raw) <= 10


def test_of_many_secrets_only_those_are_looked_at_that_were_used_since() -> None:
    secrets = Secrets()
    for number in range(2000):
        secrets.use(f"the-{number}-secret", f"{number}")
    since = secrets.now
    secrets.use("the-17-secret", "again")
    text = b" ".join(b"the-%d-secret" % number for number in range(10, 20))
    assert len(secrets.found(text, 0)) == 10
    assert [secret.origin for secret in secrets.found(text, since).values()] == ["17"]


def test_a_line_that_a_process_has_not_ended_is_read_again(tmp_path: Path) -> None:
    with (tmp_path / "out").open("wb", buffering=0) as file:
        process = subprocess.Popen([sys.executable, "-c", ""], stdout=file)
        (output,) = written(process, {"stdout": file, "stderr": file}, 0)
        file.write(b"one\ntwo: a-sec")
        assert output.news() == b"one\ntwo: a-sec"
        file.write(b"ret\n")
        assert (output.news(), output.news(), output.is_complete) == (b"two: a-secret\n", b"", False)
        file.truncate(0)
        file.seek(0)
        file.write(b"anew\n")
        process.wait()
        assert (output.news(), output.is_complete) == (b"anew\n", True)
        output.close()


@pytest.mark.parametrize(
    ("value", "plain"), [("alice", True), ("password", True), ("hunter2", False), ("a" * 16, False), ("k-1", True)]
)
def test_what_may_stand_somewhere_by_chance_is_plain(value: str, *, plain: bool) -> None:
    assert is_plain(value) is plain
