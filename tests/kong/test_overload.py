"""Kong's events at a worker that has too much to do."""

import json
from pathlib import Path

import pytest

from harness.chains import acts
from harness.kong_instances import kong
from harness.kong_peer import KongPeer
from outrider import Plugin, Request
from outrider.metrics import Metrics
from outrider.pressure import Pressure
from outrider_kong.connection import Connection


class Switch(Pressure):
    """Sheds what it is asked about, but for the first so many."""

    spared = 0
    asked = 0

    def sheds(self, now: float) -> bool:
        del now
        self.asked += 1
        return self.asked > self.spared


@pytest.fixture
def pressure() -> Switch:
    return Switch(0.5, Metrics(slots=1 << 10))


def pressed(folder: Path, pressure: Switch, *plugins: Plugin) -> KongPeer:
    peer = kong(folder, *plugins)
    peer.connection = Connection(peer.connection.instances, pressure=pressure)
    peer.calls.clear()
    return peer


@pytest.mark.parametrize("spared", [0, 1], ids=["when it comes", "when Kong has told about it"])
def test_a_new_request_is_refused_before_any_plugin_runs(tmp_path: Path, pressure: Switch, spared: int) -> None:
    seen: list[Request] = []
    pressure.spared = spared
    peer = pressed(tmp_path, pressure, acts(on_request=seen.append, on_log=lambda request, _: seen.append(request)))
    assert peer.event()[-1] == "kong.response.exit"
    assert peer.exit is not None
    assert peer.exit.status == 503
    assert json.loads(peer.exit.body)["message"] == "The gateway is overloaded"
    assert peer.sent_in_exit()["retry-after"] == ["1"]
    assert not seen


def test_an_event_is_judged_when_it_comes_and_before_its_plugins_run_and_not_later(
    tmp_path: Path, pressure: Switch
) -> None:
    pressure.spared = 2
    seen: list[str] = []
    plugin = acts(
        on_request_body=lambda _, __: seen.append("body"),
        on_response=lambda _, __: seen.append("response"),
        on_log=lambda _, __: seen.append("log"),
    )
    peer = pressed(tmp_path, pressure, plugin)
    for phase in ("access", "response", "log"):
        peer.event(phase)
    assert seen == ["body", "response", "log"]
    assert pressure.asked == 2
