"""The lines of kong.conf, read as Kong reads them."""

import re
import shlex
from pathlib import Path

import pytest

from harness.outrider import COMMAND, outrider
from outrider.errors import OutriderError
from outrider_cli.kong_config import kong_conf

SOCKET = "unix:/usr/local/kong/outrider.sock"
FILE = """
_format_version: "3.0"
gateway: {listen: 0.0.0.0:8000}
services:
  - name: orders
    url: http://127.0.0.1:9001
    routes: [{name: orders, paths: [/orders]}, {name: pages, paths: [/pages]}, {name: free, paths: [/free]}]
    plugins:
      - {name: key-auth, route: orders}
      - {name: response-transform, route: pages, config: {remove: {headers: [x-powered-by]}}}
"""


def written(folder: Path, text: str = FILE) -> Path:
    folder.mkdir(exist_ok=True, parents=True)
    file = folder / "outrider.yaml"
    file.write_text(text)
    return file


def read(text: str) -> dict[str, str]:
    """Keys and values: what follows a # is a remark, `\\#` is a #, and spaces around values go."""
    found: dict[str, str] = {}
    for line in text.splitlines():
        if line.startswith("#"):
            continue
        key, _, value = line.partition("=")
        name = re.sub(r"[^0-9A-Za-z]", "_", key.strip())
        assert name not in found, f"{name} stands twice"
        found[name] = re.sub(r"\s*(?<!\\)#.*$", "", value.strip()).replace("\\#", "#")
    return found


def test_the_chains_that_the_file_needs_are_registered_and_no_others(tmp_path: Path) -> None:
    conf = read(kong_conf(written(tmp_path), SOCKET, ()))
    assert conf["plugins"] == "bundled,outrider-chain,outrider-chain-response"
    assert conf["pluginserver_names"] == "outrider-chain,outrider-chain-response"


def test_all_names_share_a_socket_and_the_first_starts_the_server(tmp_path: Path) -> None:
    file = written(tmp_path)
    conf = read(kong_conf(file, "unix:/run/a.sock", ()))
    start = [COMMAND, "serve", "kong", str(file), "--listen", "unix:/run/a.sock"]
    assert shlex.split(conf["pluginserver_outrider_chain_start_cmd"]) == start
    assert "pluginserver_outrider_chain_response_start_cmd" not in conf
    for name in ("outrider-chain", "outrider-chain-response"):
        key = "pluginserver_" + name.replace("-", "_")
        assert conf[f"{key}_socket"] == "/run/a.sock"
        assert shlex.split(conf[f"{key}_query_cmd"]) == [COMMAND, "render", "kong", str(file), "--info", name]


def test_plugins_and_chains_can_be_added_by_name(tmp_path: Path) -> None:
    conf = read(kong_conf(written(tmp_path), SOCKET, ("key-auth", "chain", "chain-log", "key-auth")))
    assert conf["pluginserver_names"] == (
        "outrider-chain,outrider-chain-response,outrider-key-auth,outrider-chain-log"
    )
    with pytest.raises(OutriderError, match="no plugin is called 'nope': see `outrider plugins`, or take chain"):
        kong_conf(written(tmp_path), SOCKET, ("nope",))


def test_a_file_without_plugins_registers_none(tmp_path: Path) -> None:
    conf = read(kong_conf(written(tmp_path, '_format_version: "3.0"'), SOCKET, ()))
    assert conf["plugins"] == "bundled"
    assert not any(key.startswith("pluginserver") for key in conf)


def test_odd_folders_reach_the_command_as_they_are(tmp_path: Path) -> None:
    file = written(tmp_path / "it's #1 $HOME")
    conf = read(kong_conf(file, SOCKET, ()))
    assert shlex.split(conf["pluginserver_outrider_chain_query_cmd"])[3] == str(file)
    assert conf["declarative_config"] == str(file.parent / "kong.yml")


def test_paths_are_absolute_wherever_the_command_was_called(tmp_path: Path) -> None:
    written(tmp_path)
    conf = read(outrider("render", "kong", "outrider.yaml", "--conf", cwd=tmp_path).stdout)
    assert shlex.split(conf["pluginserver_outrider_chain_query_cmd"])[3] == str(tmp_path / "outrider.yaml")
    assert conf["declarative_config"] == str(tmp_path / "kong.yml")


def test_the_gateway_section_is_kongs_listener_and_trust(tmp_path: Path) -> None:
    conf = read(kong_conf(written(tmp_path), SOCKET, ()))
    assert conf["proxy_listen"].split()[0] == "0.0.0.0:8000"
    assert conf["database"] == "off"
    assert not {"trusted_ips", "real_ip_header", "real_ip_recursive"} & conf.keys()
    text = FILE.replace("0.0.0.0:8000", "'[::1]:8000', trusted_ips: [10.0.0.0/8, 'fd00::/8', 192.0.2.1]")
    conf = read(kong_conf(written(tmp_path, text), SOCKET, ()))
    assert conf["proxy_listen"].split()[0] == "[::1]:8000"
    assert conf["trusted_ips"] == "10.0.0.0/8,fd00::/8,192.0.2.1/32"
    assert (conf["real_ip_header"], conf["real_ip_recursive"]) == ("X-Forwarded-For", "on")


def test_plugins_are_added_to_the_lines_only(tmp_path: Path) -> None:
    done = outrider("render", "kong", written(tmp_path), "--plugin", "key-auth")
    assert (done.returncode, done.stdout) == (2, "")
    assert "give --conf too" in done.stderr
