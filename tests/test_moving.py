"""The guide for moving a kong.yml: what its example was before, is told of it, and is afterwards."""

import subprocess
from pathlib import Path

import pytest
import yaml

from harness.in_process import InProcess
from harness.outrider import outrider
from outrider import OutriderError, Request
from outrider.config import ConfigError
from outrider_cli.envoy import find_envoy
from outrider_cli.kong_config import kong_yml
from outrider_cli.loading import Source

MOVING = Path(__file__).parents[1] / "examples" / "moving"
BEFORE, AFTER = MOVING / "before.yml", MOVING / "after.yaml"
TOLD = {
    "acl": ["always_use_authenticated_groups"],
    "correlation-id": ["echo_downstream", "generator", "header_name"],
    "key-auth": [
        *("hide_credentials", "key_in_body", "key_in_header", "key_in_query", "key_names", "realm"),
        "run_on_preflight",
    ],
}


def test_every_field_that_is_kongs_alone_is_told_at_once() -> None:
    with pytest.raises(ConfigError) as caught:
        kong_yml(BEFORE)
    found = {mistake.where.rpartition("plugins[")[2] for mistake in caught.value.mistakes}
    assert found == {f"{plugin}].config.{field}" for plugin, fields in TOLD.items() for field in fields}
    assert {mistake.what for mistake in caught.value.mistakes} == {"is a field of Kong's own plugin"}


def test_envoy_is_told_of_every_plugin_that_it_has_not_in_the_same_list() -> None:
    lines = outrider("run", BEFORE).stderr.splitlines()
    names = [line.partition("Envoy has no ")[2].partition(":")[0] for line in lines if "Envoy has no " in line]
    assert sorted(names) == ["jwt", "prometheus", "rate-limiting", "rate-limiting", "request-transformer"]
    assert len(lines) == len(names) + sum(map(len, TOLD.values()))


def test_afterwards_both_gateways_take_the_file(tmp_path: Path) -> None:
    assert yaml.safe_load(kong_yml(AFTER))["services"]
    checked = outrider("check", AFTER)
    assert (checked.returncode, checked.stderr) == (0, "")
    rendered = outrider("render", "envoy", AFTER)
    assert rendered.returncode == 0
    bootstrap = tmp_path / "bootstrap.yaml"
    bootstrap.write_text(rendered.stdout)
    command = [_envoy(), "--config-path", str(bootstrap), "--mode", "validate", "--disable-hot-restart"]
    done = subprocess.run([*command, "--log-level", "warning"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_the_services_and_consumers_are_those_from_before() -> None:
    before, after = (yaml.safe_load(file.read_text()) for file in (BEFORE, AFTER))
    [service], [moved] = before["services"], after["services"]
    assert [(one["name"], one["paths"]) for one in service["routes"]] == [
        (one["name"], one["paths"]) for one in moved["routes"]
    ]
    assert [(one["username"], one["id"]) for one in before["consumers"]] == [
        (one["username"], one["id"]) for one in after["consumers"]
    ]


def test_the_limits_and_guards_of_before_hold_afterwards() -> None:
    key = ("apikey", "partner-key")
    with InProcess(Source.read(AFTER)) as routes:
        strangers = [routes.ask(name, Request()) for name in ("orders", "partners", "open")]
        partners = [routes.ask("partners", Request(headers=[key])) for _ in range(11)]
    assert [answer and answer.status for answer in strangers] == [401, 401, None]
    assert [answer and answer.status for answer in partners] == [*[None] * 10, 429]


def _envoy() -> str:
    try:
        return str(find_envoy())
    except OutriderError as error:
        pytest.skip(str(error))
