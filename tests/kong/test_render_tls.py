"""TLS with downstream, rendered for Kong, and what Kong can't do of it."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from harness.authority import Authority
from outrider.config import ConfigError
from outrider_cli.kong_config import kong_conf, kong_yml

ID, CA = "4e3ad2e4-0bc4-4638-8e34-c84a417ba39c", "4e3ad2e4-0bc4-4638-8e34-c84a417ba39b"
AUTHORITY = Authority()
ONE = AUTHORITY.sign("one.example")


@pytest.fixture
def write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setenv("KONG_TEST_ONE_KEY", ONE.key_pem)

    def written(tls: dict[str, Any] | None, *plugins: dict[str, Any]) -> Path:
        one = {"id": ID, "cert": ONE.cert_pem, "key": "{vault://env/KONG_TEST_ONE_KEY}"}
        file = {
            "_format_version": "3.0",
            "gateway": {"tls": tls} if tls is not None else {},
            "certificates": [{**one, "snis": [{"name": "one.*"}, {"name": "*"}]}],
            "ca_certificates": [{"id": CA, "cert": AUTHORITY.cert_pem}],
            "plugins": list(plugins),
        }
        path = tmp_path / "outrider.yaml"
        path.write_text(yaml.safe_dump(file))
        return path

    return written


def test_the_certificates_of_the_listener_keep_their_names_and_show_no_key(write: Any) -> None:
    text = kong_yml(write({}))
    (one,) = yaml.safe_load(text)["certificates"]
    assert one["snis"] == [{"name": "one.*"}, {"name": "*"}]
    assert one["key"] == "{vault://env/KONG_TEST_ONE_KEY}"
    assert "PRIVATE" not in text
    assert "certificates" not in yaml.safe_load(kong_yml(write(None)))


def test_the_listener_is_a_second_address(write: Any) -> None:
    conf = kong_conf(write({"listen": "127.0.0.1:9443", "minimum": "1.3"}), "unix:/run/kong.sock", ())
    assert "backlog=16384, 127.0.0.1:9443 http2 ssl reuseport" in conf
    assert "ssl_protocols = TLSv1.3" in conf


def test_the_certificates_of_clients_are_refused(write: Any) -> None:
    plugin = {"name": "mtls-auth", "config": {"ca_certificates": [CA]}}
    asks = {"client_certificates": "required", "client_authorities": [CA]}
    with pytest.raises(ConfigError) as caught:
        kong_yml(write(asks, plugin))
    assert "gateway.tls.client_certificates: is not carried over" in str(caught.value)
    assert "plugin mtls-auth: looks at the certificates of clients, which Kong shows no plugin" in str(caught.value)
