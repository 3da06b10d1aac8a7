"""When workers speak TLS with an Envoy, and what is said of half an answer."""

from pathlib import Path

import pytest
from click.testing import CliRunner

from harness.authority import Authority
from outrider.errors import StartError
from outrider_cli.main import main
from outrider_envoy.grpcio_tls import TlsFiles, credentials

ELSEWHERE = "192.0.2.1:9191"
SERVE, RENDER = ("serve", "envoy"), ("render", "envoy", "--filters")


def said(*arguments: str) -> str:
    done = CliRunner().invoke(main, arguments)
    assert done.exit_code == 2
    return " ".join(done.output.replace("│", " ").split())


@pytest.mark.parametrize("command", [SERVE, RENDER])
@pytest.mark.parametrize("listen", ["0.0.0.0:9191", "[::]:9191", ELSEWHERE])
def test_an_address_that_others_reach_wants_certificates(command: tuple[str, ...], listen: str) -> None:
    words = said(*command, "outrider.yaml", "--listen", listen)
    assert f"'{listen}' can be reached from other machines: use 127.0.0.1:PORT" in words
    assert "or add --tls-cert, --tls-key and --tls-c" in words


@pytest.mark.parametrize("command", [SERVE, RENDER])
@pytest.mark.parametrize(
    ("listen", "words"),
    [(ELSEWHERE, "--tls-cert: give all of --tls-cert, --tls-key and"), ("unix:/run", "where nobody needs TLS")],
)
def test_half_an_answer_and_one_too_many_are_refused(
    tmp_path: Path, command: tuple[str, ...], listen: str, words: str
) -> None:
    file = tmp_path / "file"
    file.touch()
    assert words in said(*command, "outrider.yaml", "--listen", listen, "--tls-cert", str(file))


def test_the_engine_speaks_no_tls(tmp_path: Path) -> None:
    file = str(tmp_path / "file")
    Path(file).touch()
    given = ("--tls-cert", file, "--tls-key", file, "--tls-client-ca", file, "--transport", "engine")
    assert "engine speaks no TLS: add --transport grpcio" in said(*SERVE, "outrider.yaml", *given)


def test_an_envoy_can_connect_to_no_address_of_all(tmp_path: Path) -> None:
    given = ("--tls-cert", "a", "--tls-key", "b", "--tls-ca", "c")
    assert "is every address of a machine" in said(*RENDER, "outrider.yaml", "--listen", "0.0.0.0:9191", *given)


@pytest.mark.parametrize(
    ("certificate", "key", "authority", "words"),
    [
        (0, 1, "ca", "has a key that does not belong to its certificate"),
        (None, 0, "ca", "is no certificate"),
        (0, None, "ca", "is no private key that can be read"),
        (0, 0, "", "is no certificate"),
        (0, 0, None, "can't be read"),
    ],
)
def test_files_that_do_not_fit_end_the_start_without_a_word_of_the_key(
    tmp_path: Path, certificate: int | None, key: int | None, authority: str | None, words: str
) -> None:
    ca = Authority()
    signed = [ca.sign("a"), ca.sign("a")]
    files = TlsFiles(tmp_path / "crt", tmp_path / "key", tmp_path / "ca")
    files.certificate.write_text("hello" if certificate is None else signed[certificate].cert_pem)
    files.key.write_text("hello" if key is None else signed[key].key_pem)
    if authority is not None:
        files.client_authority.write_text(ca.cert_pem if authority else "")
    with pytest.raises(StartError, match=words) as caught:
        credentials(files)
    assert "hello" not in str(caught.value)
    assert "PRIVATE" not in str(caught.value)
