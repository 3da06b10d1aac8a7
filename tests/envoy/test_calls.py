"""The calls of a worker, as both transports drive them."""

from pathlib import Path

import pytest

from harness import ask
from harness.chains import acts, chain
from outrider.metrics import Metrics, Pulse
from outrider_envoy.calls import CHECK, PROCESS, Calls, Status
from outrider_envoy.selection import ROUTE_KEY, Chains


@pytest.mark.parametrize(
    ("path", "message"),
    [(PROCESS, ask.request_headers(end=True).SerializeToString()), (CHECK, ask.check().SerializeToString())],
)
def test_each_message_is_a_sign_of_life(path: str, message: bytes, tmp_path: Path) -> None:
    """Many of them may be worked off before the event loop has its turn."""
    metrics = Metrics(tmp_path / "metrics", slots=1 << 12)
    call = Calls(Chains([chain(acts(on_request=lambda _: None))], ()), metrics).open(path, {ROUTE_KEY: "orders"})
    assert not isinstance(call, Status)
    assert Pulse.read(tmp_path / "metrics").heartbeat == 0
    call.receive(message)
    assert Pulse.read(tmp_path / "metrics").heartbeat > 0
    call.close()
    metrics.close()
