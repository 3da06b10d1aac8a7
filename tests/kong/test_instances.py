"""What Kong's ids stand for: never another's configuration, and never nothing where something must be checked."""

import json
from pathlib import Path
from typing import Any

import pytest

from harness.kong_instances import configured, service
from harness.kong_peer import KongPeer
from harness.sample import YEAR
from outrider import Needs, Plugin, Request, Response
from outrider_kong.crashes import Crashes, event_mark
from outrider_kong.proto import pluginsocket_pb2 as pb

ALICE = {"username": "alice", "keyauth_credentials": [{"key": "alice-key"}]}


class Teapot(Plugin):
    """Refuses whatever comes."""

    status: int = 418
    names: list[str] = []
    note: str | None = "given"

    def on_request(self, _: Request) -> Response | None:
        return Response(self.status, body=json.dumps([self.names, self.note]))


class Late(Plugin):
    """Looks at responses."""

    def on_response(self, _: Request, response: Response) -> None:
        response.headers["x-late"] = "1"


def started(peer: KongPeer, name: str, **config: Any) -> int:
    return peer.start(name, json.dumps({"__seq__": 1, "__plugin_id": "p", **config}).encode())


def status(peer: KongPeer, instance: int) -> int | None:
    """What the request gets in place of upstream's answer."""
    peer.event(instance=instance)
    return peer.exit.status if peer.exit else None


def test_a_chain_is_that_of_the_files_route(tmp_path: Path) -> None:
    teapot, open_ = service({"name": "teapot"}, name="closed"), service(name="open")
    peer = configured(tmp_path, Teapot, services=[teapot, open_])
    closed = started(peer, "outrider-chain", route="closed")
    other = started(peer, "outrider-chain", route="open")
    assert (status(peer, closed), status(peer, other), status(peer, closed)) == (418, None, 418)


UNFIT: list[tuple[str, dict[str, Any], str]] = [
    ("outrider-chain", {"route": "nowhere"}, "the file has no route 'nowhere': render Kong's configuration"),
    ("outrider-chain", {"route": "late"}, "outrider-chain has no phase response"),
    ("outrider-chain-log", {"route": "late"}, "outrider-chain-log has no phase response"),
    ("outrider-nothing", {}, "no plugin is called 'outrider-nothing'"),
    ("key-auth", {}, "no plugin is called 'key-auth'"),
    ("outrider-chain", {"plugins": [{"teapot": {}, "late": {}}]}, "an item of plugins has 2 plugins"),
    ("outrider-chain", {"plugins": [{"kettle": {}}]}, "no plugin is called 'kettle'"),
    ("outrider-request-size-limit", {"limit": 10}, "needs on_request_chunk, and Kong shows no bodies"),
    ("outrider-chain", {"plugins": [{"request-size-limit": {"limit": 10}}]}, "needs on_request_chunk, and Kong"),
    ("outrider-chain", {}, "config has neither route nor plugins, or both"),
    ("outrider-chain", {"plugins": []}, "config has neither route nor plugins, or both"),
    ("outrider-chain", {"plugins": {}}, "config has neither route nor plugins, or both"),
    ("outrider-chain", {"route": "late", "plugins": [{"late": {}}]}, "config has neither route nor plugins, or both"),
    ("outrider-teapot", {"status": "hot"}, "is no whole number"),
    ("outrider-teapot", {"colour": "red"}, "colour: is no field here"),
    ("outrider-key-auth", {"anonymous": "nobody"}, "no consumer is called 'nobody'"),
]


@pytest.mark.parametrize(("name", "config", "words"), UNFIT)
def test_an_instance_that_can_not_be_made_refuses_every_request_and_says_why(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, name: str, config: dict[str, Any], words: str
) -> None:
    peer = configured(tmp_path, Teapot, Late, services=[service({"name": "late"}, name="late")])
    instance = started(peer, name, **config)
    assert status(peer, instance) == 500
    assert status(peer, instance) == 500
    assert [record.message for record in caplog.records if words in record.message]
    assert peer.event("log", instance) == []
    peer.event("response", instance)
    assert peer.sent_in_exit()["x-outrider-refused"] == ["1"]


def test_what_is_no_json_refuses_every_request(tmp_path: Path) -> None:
    peer = configured(tmp_path)
    assert status(peer, peer.start("outrider-key-auth", b"{")) == 500


def test_kongs_way_to_write_a_configuration_is_undone(tmp_path: Path) -> None:
    peer = configured(tmp_path, Teapot)
    written = started(peer, "outrider-teapot", status=418, names={}, note=None, timeout=None, route_id="r-1")
    assert status(peer, written) == 418
    assert peer.exit is not None
    assert json.loads(peer.exit.body) == [[], None]


def test_plugins_of_a_list_run_by_priority_in_one_event(tmp_path: Path) -> None:
    peer = configured(tmp_path, Teapot, consumers=[ALICE])
    chain = started(
        peer,
        "outrider-chain",
        plugins=[{"teapot": {"names": {}}}, {"key-auth": {"header": "x-api-key"}, "teapot": None}],
    )
    assert status(peer, chain) == 401
    peer.headers.append((b"x-api-key", b"alice-key"))
    assert status(peer, chain) == 418


def test_a_plugin_of_kongs_own_configuration_knows_the_files_consumers(tmp_path: Path) -> None:
    peer = configured(tmp_path, consumers=[ALICE])
    instance = started(peer, "outrider-key-auth", header="x-key")
    assert status(peer, instance) == 401
    peer.headers.append((b"x-key", b"alice-key"))
    assert status(peer, instance) is None
    assert peer.sent("kong.service.request.set_headers")["x-consumer-username"] == ["alice"]


def test_consumers_reach_kongs_own_plugins(tmp_path: Path) -> None:
    peer = configured(tmp_path, consumers=[ALICE])
    instance = started(peer, "outrider-key-auth", header="x-api-key")
    peer.headers.append((b"x-api-key", b"alice-key"))
    assert "kong.client.load_consumer" in peer.event(instance=instance)
    told = pb.Authenticate.FromString(peer.argument("kong.client.authenticate"))
    assert (told.consumer.id, told.credential.consumer_id) == (b"id-of-alice", b"id-of-alice")
    assert "kong.client.load_consumer" not in peer.event(instance=instance)


def test_a_consumer_that_kong_does_not_know_is_none_there(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    peer = configured(tmp_path, consumers=[ALICE])
    peer.consumers = set()
    peer.headers.append((b"x-api-key", b"alice-key"))
    peer.event(instance=started(peer, "outrider-key-auth", header="x-api-key"))
    told = pb.Authenticate.FromString(peer.argument("kong.client.authenticate"))
    assert not told.HasField("consumer")
    assert "Kong has no consumer alice" in caplog.text


def test_plugins_that_run_by_themselves_go_on_with_what_those_before_found(tmp_path: Path) -> None:
    peer = configured(tmp_path, consumers=[ALICE])
    transform = {"add": {"headers": {"x-caller": "{consumer.username} on {route.name}"}}}
    auth, limit = (
        started(peer, "outrider-key-auth", header="x-api-key"),
        started(peer, "outrider-rate-limit", limit=1, window=YEAR),
    )
    change = started(peer, "outrider-request-transform", __plugin_id="q", **transform)
    peer.headers.append((b"x-api-key", b"alice-key"))
    peer.event(instance=auth)
    peer.headers.append((b"x-consumer-username", b"alice"))
    peer.event(instance=limit)
    assert peer.returned is not None
    assert "kong.service.request.clear_header" not in peer.methods
    peer.event(instance=change)
    assert peer.sent("kong.service.request.set_headers") == {"x-caller": ["alice on kongs-route"]}
    names = {entry.key for entry in peer.shared[b"outrider_reply"].struct_value.fields}
    assert names == {b"ratelimit", b"ratelimit-policy"}


def test_a_configuration_is_made_once_for_all_its_instances(tmp_path: Path) -> None:
    peer = configured(tmp_path, consumers=[ALICE])
    first, second = (started(peer, "outrider-rate-limit", limit=1, window=YEAR) for _ in range(2))
    assert (status(peer, first), status(peer, second)) == (None, 429)


class Tenant(Plugin):
    """Says to upstream whose request it is, under a name that only it may set."""

    def needs(self) -> Needs:
        return Needs(identity_headers=("x-tenant",))

    def on_request(self, request: Request) -> Response | None:
        return Response(418) if "x-tenant" in request.headers else None


def test_a_plugin_behind_one_that_identified_takes_its_own_identity_headers_off(tmp_path: Path) -> None:
    peer = configured(tmp_path, Tenant, consumers=[ALICE])
    auth = started(peer, "outrider-key-auth", header="x-api-key")
    tenant = started(peer, "outrider-tenant", __plugin_id="t")
    peer.headers += [(b"x-api-key", b"alice-key"), (b"x-tenant", b"FORGED")]
    peer.event(instance=auth)
    peer.headers.append((b"x-consumer-username", b"alice"))
    peer.event(instance=tenant)
    cleared = [pb.Text.FromString(given).v for method, given in peer.calls if method.endswith("clear_header")]
    assert (peer.exit, cleared) == (None, [b"x-tenant"])


def test_an_instance_without_a_number_refuses_every_request(tmp_path: Path) -> None:
    peer = configured(tmp_path)
    (tmp_path / "kong.ids").mkdir()
    assert status(peer, started(peer, "outrider-key-auth", header="x-api-key")) == 500


def test_two_chains_of_one_route_keep_their_states_apart(tmp_path: Path) -> None:
    peer = configured(tmp_path, Late, services=[service({"name": "late"}, name="late")])
    response = started(peer, "outrider-chain-response", route="late")
    peer.event(instance=response)
    assert [key for key in peer.shared if key != b"outrider_reply"] == [b"outrider:outrider-chain-response:late"]


def test_a_response_whose_plugin_moved_meanwhile_is_refused(tmp_path: Path) -> None:
    before = configured(tmp_path, Late, services=[service({"name": "late"}, name="late")])
    after = configured(tmp_path, Late, services=[service(name="late")], plugins=[{"name": "late"}])
    before.event(instance=started(before, "outrider-chain-response", route="late"))
    after.shared = before.shared
    after.event("response", started(after, "outrider-chain-response", route="late"))
    assert after.exit is not None
    assert after.exit.status == 500
    assert after.sent_in_exit()["x-outrider-refused"] == ["1"]


def test_a_configuration_that_killed_workers_when_it_was_made_is_refused(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    peer = configured(tmp_path, Teapot)
    key = json.dumps(["outrider-teapot", "p", [("teapot", {"note": None, "status": 418})]], sort_keys=True)
    Crashes(tmp_path / "crashes", "gone").remember([event_mark("start", key)] * 2)
    assert status(peer, started(peer, "outrider-teapot", status=418)) == 500
    assert "it has killed workers before" in caplog.text
    assert status(peer, started(peer, "outrider-teapot", status=419)) == 419
