"""The gateways that most tests share are what the names of their transports say."""

from pathlib import Path

import pytest

from harness.outrider import Outrider


@pytest.mark.parametrize("protocol", ["ext_proc"])
def test_the_workers_and_the_envoy_are_those_that_the_transport_names(gateway: Outrider, transport: str) -> None:
    name, _, pin = transport.partition(" behind ")
    lines = [line for line in gateway.children().values() if "outrider_cli.worker" in line]
    assert lines
    assert all(f"--transport {name}" in line for line in lines)
    envoy = Path(f"/proc/{gateway.envoy()}/exe").readlink()
    assert pin in str(envoy)
    assert bool(pin) == ("wheels" in envoy.parts)
