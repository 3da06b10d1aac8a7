"""What a gateway says of itself: JSON lines with the request's id, and never a secret."""

import json
import uuid
from collections.abc import Callable

from harness.outrider import Outrider, outrider, plugin, service
from harness.process import until
from harness.sample import Protocol
from harness.tokens import ALICES_SECRET, Issuer
from harness.upstream import Upstream


def test_every_line_is_json_with_time_level_logger_and_message(gateway: Outrider) -> None:
    gateway.request("/script", ("x-script", "raise"))
    assert gateway.records
    for record in gateway.records:
        assert record.keys() >= {"time", "level", "logger", "message"}
        assert "\n" not in record["message"]


def test_a_fault_is_one_line_with_the_request_id_and_the_place_in_the_plugin(gateway: Outrider) -> None:
    request_id = str(uuid.uuid4())
    response = gateway.request("/script", ("x-script", "raise"), ("x-request-id", request_id))
    assert json.loads(response.body)["request_id"] == request_id
    found = until(lambda: [record for record in gateway.records if record.get("request_id") == request_id])
    [record] = found
    assert (record["level"], record["logger"]) == ("error", "outrider.plugin")
    assert "plugin script: on_request failed at scripted.py:" in record["message"]
    assert "RuntimeError" in record["message"]


def test_a_hook_over_its_time_is_named_with_its_request(gateway: Outrider) -> None:
    request_id = str(uuid.uuid4())
    gateway.request("/script", ("x-script", "wait 30"), ("x-request-id", request_id))
    [record] = until(lambda: [record for record in gateway.records if record.get("request_id") == request_id])
    assert "plugin script: on_request took longer than" in record["message"]


def test_no_secret_is_in_a_log_line_on_the_page_or_in_the_gateways_configuration(
    gateway: Outrider, upstream: Upstream, issuers: dict[str, Issuer], protocol: Protocol
) -> None:
    token = issuers["RS256"].token()
    bad = "a-wrong-key-of-somebody"
    for path in ("/orders", "/tokens", "/fetched", "/script", "/tolerant", f"/keys?key={bad}", "/nowhere"):
        for script in ("raise", "set host a", "wait 30"):
            headers = [("x-api-key", "alice-key"), ("authorization", f"Bearer {token}"), ("x-script", script)]
            gateway.request(path, *headers)
            gateway.request(path, ("x-api-key", bad), ("authorization", f"Bearer {token}x"), ("x-script", script))
    gateway.idle()
    shown = rendered(gateway, protocol)
    seen = gateway.log + gateway.page("/metrics").body.decode() + shown + " ".join(gateway.children().values())
    signature = token.rpartition(".")[2]
    for secret in ("alice-key", "bob-key", ALICES_SECRET, token, signature, bad, "secret-of-the-exception"):
        assert secret not in seen
    del upstream


def rendered(gateway: Outrider, protocol: Protocol) -> str:
    """All that the gateway's own files say."""
    if protocol == "kong":
        shown = "".join(outrider("render", "kong", gateway.file, *more).stdout for more in ((), ("--conf",)))
        assert "outrider-chain-response" in shown
    else:
        shown = outrider("render", "envoy", gateway.file).stdout
        assert "outrider_workers" in shown
    return shown


def test_lines_for_people_can_be_asked_for(start: Callable[..., Outrider], upstream: Upstream) -> None:
    gateway = start(service("orders", upstream.port, plugin("key-auth")), log={"format": "text"})
    assert " info    outrider.supervisor: ready on http://127.0.0.1:" in gateway.log
