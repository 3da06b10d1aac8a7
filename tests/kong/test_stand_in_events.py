"""What Kong does to a plugin server over ProtoBuf:1, fact by fact."""

import json
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from harness import http1
from harness.kong_gateway import StartKong
from harness.kong_scripted import Event, PluginServer, during, key_value, text, waits
from harness.process import until
from harness.upstream import Upstream
from outrider_kong.proto import pluginsocket_pb2 as pb

NO = pb.Exit(status=403, body=b"no")
ALL = ("access", "response", "log")


def test_an_instance_is_started_once_for_each_worker(server: PluginServer, start: StartKong) -> None:
    kong = start("access", workers=2)
    for _ in range(6):
        assert http1.request(kong.port, "/r").status == 200
    assert server.events.count("start") == 2
    assert server.events.count("access") == 6


def test_requests_that_come_together_start_one_instance(server: PluginServer, start: StartKong) -> None:
    kong = start("access")
    with ThreadPoolExecutor(8) as pool:
        sent = [pool.submit(http1.request, kong.port, "/r") for _ in range(8)]
        assert {each.result().status for each in sent} == {200}
    assert server.events.count("start") == 1


def test_an_instance_gets_its_config_with_what_kong_adds(server: PluginServer, start: StartKong) -> None:
    kong = start("access")
    http1.request(kong.port, "/r")
    [config] = server.configs.values()
    route = config["route_id"]
    key = f"plugins:probe:{route}::::{config['__ws_id']}"
    assert config == {
        "mode": "x",
        "route_id": route,
        "__key__": key,
        "__seq__": 1,
        "__ws_id": "0dc6f45b-8f8d-40d2-a504-473544ee190b",
        "__plugin_id": config["__plugin_id"],
    }


def test_a_changed_configuration_starts_a_new_instance_and_closes_the_old_one(
    server: PluginServer, start: StartKong, upstream: Upstream
) -> None:
    kong = start("access")
    http1.request(kong.port, "/r")
    probe = {"name": "probe", "config": {"mode": "y"}}
    route = {"name": "r", "paths": ["/r"], "plugins": [probe]}
    service = {"name": "s", "url": f"http://127.0.0.1:{upstream.port}", "routes": [route]}
    kong.load({"services": [service]})
    assert http1.request(kong.port, "/r").status == 200
    assert server.events == ["start", "access", "start", "close", "access"]
    assert [config["mode"] for config in server.configs.values()] == ["x", "y"]


def test_one_event_after_the_other_goes_over_the_same_connection(server: PluginServer, start: StartKong) -> None:
    kong = start(*ALL)
    http1.request(kong.port, "/r")
    kong.settle()
    http1.request(kong.port, "/r")
    kong.settle()
    assert server.said == [("start", 1), *((phase, 1) for phase in ALL), *((phase, 1) for phase in ALL)]


def test_after_an_exit_kong_drops_the_connection_and_only_the_log_event_comes(
    server: PluginServer, start: StartKong, upstream: Upstream
) -> None:
    server.act = during("access", "kong.response.exit", NO)
    kong = start(*ALL)
    answer = http1.request(kong.port, "/r")
    kong.settle()
    assert (answer.status, answer.body) == (403, b"no")
    assert server.said == [("start", 1), ("access", 1), ("log", 2)]
    assert server.hung_up == 1
    assert not upstream.requests


def test_calls_that_follow_an_exit_are_dropped(server: PluginServer, start: StartKong) -> None:
    def act(event: Event) -> None:
        event.ahead("kong.response.exit", NO)
        event.ahead("kong.response.exit", pb.Exit(status=200))

    server.act = act
    assert http1.request(start("access").port, "/r").status == 403


def test_calls_may_be_sent_ahead_and_run_in_order(server: PluginServer, start: StartKong, upstream: Upstream) -> None:
    def act(event: Event) -> None:
        event.ahead("kong.service.request.set_header", key_value("x-a", "1"))
        event.ahead("kong.service.request.set_header", key_value("x-a", ["2", "3"]))
        event.ahead("kong.service.request.clear_header", text("x-b"))

    server.act = act
    assert http1.request(start("access").port, "/r", ("x-b", "1")).status == 200
    assert upstream.request.all("x-a") == ["2", "3"]
    assert upstream.request.all("x-b") == []


def test_what_a_plugin_changes_reaches_upstream(server: PluginServer, start: StartKong, upstream: Upstream) -> None:
    def act(event: Event) -> None:
        event.call("kong.service.request.set_method", text("PUT"))
        event.call("kong.service.request.set_path", text("/re written"))
        event.call("kong.service.request.set_raw_query", text("q=1&r=a%20b"))
        event.call("kong.service.request.set_raw_body", pb.Text(v=b"new \xff"))
        event.call("kong.service.request.add_header", key_value("x-a", "\udcff"))
        event.call("kong.service.request.set_header", key_value("x-empty", ""))

    server.act = act
    http1.request(start("access").port, "/r?old=1", ("x-a", "1"), body=b"old", method="POST")
    seen = upstream.request
    assert (seen.method, seen.path, seen.body) == ("PUT", "/re%20written?q=1&r=a%20b", b"new \xff")
    assert seen.all("x-a") == ["1", "\xff"]
    assert seen.all("x-empty") == [""]


def test_a_fault_in_a_log_event_is_nobodys_business(server: PluginServer, start: StartKong) -> None:
    server.act = during("log", "kong.response.exit", NO)
    kong = start("access", "log")
    assert http1.request(kong.port, "/r").status == 200
    kong.settle()
    assert http1.request(kong.port, "/r").status == 200
    kong.settle()
    assert server.said == [("start", 1), ("access", 1), ("log", 1), ("access", 2), ("log", 2)]


def test_the_response_is_sent_before_the_log_event(server: PluginServer, start: StartKong) -> None:
    gate = threading.Event()
    server.act = waits("log", gate)
    kong = start("access", "log")
    assert http1.request(kong.port, "/r").status == 200
    gate.set()
    until(lambda: "log" in server.events)
    kong.settle()


def test_a_log_event_has_a_summary_and_what_lives_in_the_context_but_no_request(
    server: PluginServer, start: StartKong
) -> None:
    summaries: list[dict[str, object]] = []

    def act(event: Event) -> None:
        if event.phase == "access":
            event.call("kong.ctx.shared.set", key_value("k", ["a", "b"]))
            event.call("kong.log.set_serialize_value", key_value("ours.deep", "1"))
            return
        shared = pb.Value.FromString(event.call("kong.ctx.shared.get", text("k")))
        summaries.append(json.loads(pb.Text.FromString(event.call("kong.log.serialize")).v))
        summaries.append({"shared": [item.string_value for item in shared.list_value.values]})
        event.call("kong.request.get_method")
        summaries.append({"never": True})

    server.act = act
    kong = start("access", "log")
    http1.request(kong.port, "/r?x=1", ("authorization", "secret"))
    kong.settle()
    summary, shared = summaries
    assert shared == {"shared": [b"a", b"b"]}
    assert summary["ours"] == {"deep": "1"}
    assert summary["request"]["headers"]["authorization"] == "REDACTED"  # type: ignore[index]
    assert summary["request"]["querystring"] == {"x": "1"}  # type: ignore[index]


def test_a_plugin_whose_phases_cosockets_do_not_work_in_aborts_the_request(
    server: PluginServer, start: StartKong
) -> None:
    kong = start("access", "header_filter")
    with pytest.raises(AssertionError, match="closed without a response"):
        http1.request(kong.port, "/r")


def test_no_rewrite_event_comes_for_a_plugin_of_a_route(server: PluginServer, start: StartKong) -> None:
    kong = start("rewrite", "access")
    assert http1.request(kong.port, "/r").status == 200
    assert server.events == ["start", "access"]


def test_downstream_that_leaves_in_access_is_a_499_in_the_log(
    server: PluginServer, start: StartKong, upstream: Upstream
) -> None:
    arrived, gate, statuses = threading.Event(), threading.Event(), list[int]()

    def act(event: Event) -> None:
        if event.phase == "log":
            statuses.append(pb.Int.FromString(event.call("kong.response.get_status")).v)
        else:
            arrived.set()
            gate.wait(10)

    server.act = act
    kong = start("access", "log")
    with http1.connect(kong.port) as connection:
        connection.sendall(b"GET /r HTTP/1.1\r\nhost: a\r\n\r\n")
        assert arrived.wait(10)
    gate.set()
    until(lambda: statuses)
    assert statuses == [499]
    assert not upstream.requests


def test_of_two_free_connections_the_one_used_last_is_taken(server: PluginServer, start: StartKong) -> None:
    both = threading.Barrier(2)
    together = True

    def act(event: Event) -> None:
        if together:
            both.wait(10)

    server.act = act
    kong = start("access")
    with ThreadPoolExecutor(2) as pool:
        sent = [pool.submit(http1.request, kong.port, "/r") for _ in range(2)]
        assert {each.result().status for each in sent} == {200}
    together = False
    for _ in range(3):
        http1.request(kong.port, "/r")
    assert len({number for _, number in server.said[3:]}) == 1


def test_one_event_that_says_too_much_loses_its_connection(server: PluginServer, start: StartKong) -> None:
    def act(event: Event) -> None:
        if event.phase == "log":
            answer = (b"", pb.RpcReturn(sequence=event.sequence).SerializeToString())
            event.connection.write(*answer, *answer)

    server.act = act
    kong = start("access", "log")
    for _ in range(2):
        assert http1.request(kong.port, "/r").status == 200
        kong.settle()
    assert [number for _, number in server.said] == [1, 1, 1, 2, 2]
