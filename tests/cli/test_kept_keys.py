"""Private keys of the file itself reach Envoy in files that only it reads."""

import json
from pathlib import Path

from outrider_cli.kept_keys import kept

KEY = "-----BEGIN PRIVATE KEY-----\nhello\n"


def test_a_key_is_in_a_file_of_its_own_that_nobody_else_reads(tmp_path: Path) -> None:
    chain = {"inline_string": "a certificate"}
    one = {"certificate_chain": chain, "private_key": {"inline_string": KEY}}
    document = {"resources": [{"tls_certificates": [one]}]}
    (pair,) = kept(document, tmp_path)["resources"][0]["tls_certificates"]
    path = Path(pair["private_key"]["filename"])
    assert (path.read_text(), path.stat().st_mode & 0o777, path.parent) == (KEY, 0o600, tmp_path)
    assert pair["certificate_chain"] == chain
    assert kept(document, tmp_path)["resources"][0]["tls_certificates"] == [pair]
    assert "PRIVATE" not in json.dumps(kept(document, tmp_path))


def test_one_that_is_elsewhere_stays_there(tmp_path: Path) -> None:
    document = [{"private_key": {"filename": "/run/one.key"}}, {"private_key": {"environment_variable": "KEY"}}]
    assert kept(document, tmp_path) == document
    assert not list(tmp_path.iterdir())
