"""pre-function and post-function run real Lua, with the limits of Kong's sandbox; acl and request-termination."""

from typing import Any

import pytest

from harness import http1
from harness.kong_gateway import StartKong
from harness.kong_scripted import Event, PluginServer, during
from harness.upstream import Answer, Upstream
from outrider_kong.proto import pluginsocket_pb2 as pb

ALICE = "5b7a5b3e-0f0b-4b0e-9d3c-0a1b2c3d4e5f"
SET_REPLY = """
  for name, values in pairs(kong.ctx.shared.outrider_reply or {}) do
    kong.response.clear_header(name)
    for _, value in ipairs(values) do kong.response.add_header(name, value) end
  end
"""


def function(name: str, **phases: str) -> dict[str, Any]:
    return {"plugins": [{"name": name, "config": {phase: [code] for phase, code in phases.items()}}]}


def shared(event: Event) -> None:
    """Leaves a table of headers for the post-function."""
    values = pb.List(values=[pb.Value(string_value=b"1"), pb.Value(string_value=b"\xff")])
    table = pb.Struct(fields=[pb.Entry(key=b"x-who", value=pb.Value(list_value=values))])
    event.call("kong.ctx.shared.set", pb.KeyValue(k=b"outrider_reply", v=pb.Value(struct_value=table)))


@pytest.mark.parametrize("status", [200, 502, 504])
def test_a_post_function_sets_headers_on_upstreams_answers_and_on_kongs_own(
    server: PluginServer, start: StartKong, upstream: Upstream, status: int
) -> None:
    server.act = shared
    upstream.answer = Answer(headers=[("x-who", "theirs")])
    dead = {"id": ALICE, "name": "dead", "host": "127.0.0.1", "port": 9, "retries": 0}
    slow = {"name": "slow", "host": "127.0.0.1", "port": upstream.port, "read_timeout": 50}
    targets: dict[int, dict[str, Any]] = {
        200: {"name": "fast", "url": f"http://127.0.0.1:{upstream.port}"},
        502: dead,
        504: slow,
    }
    probe = {"name": "probe", "config": {"mode": "x"}}
    service = {**targets[status], "routes": [{"name": "r", "paths": ["/r"], "plugins": [probe]}]}
    if status == 504:
        upstream.gate.clear()
    answer = http1.request(
        start(more={"services": [service], **function("post-function", header_filter=SET_REPLY)}).port, "/r"
    )
    upstream.gate.set()
    assert answer.status == status
    assert answer.all("x-who") == ["1", "\xff"]


def test_a_pre_function_runs_before_every_plugin(server: PluginServer, start: StartKong) -> None:
    seen: list[bytes] = []
    server.act = lambda event: seen.append(event.call("kong.request.get_header", pb.Text(v=b"x-consumer-id")))
    code = "kong.service.request.clear_header('X-Consumer-Id')"
    http1.request(start(more=function("pre-function", access=code)).port, "/r", ("x-consumer-id", "me"))
    assert seen == [b""]


def test_a_function_may_answer_and_nothing_catches_that(server: PluginServer, start: StartKong) -> None:
    code = "pcall(function() kong.response.exit(431, { message = 'too many' }, { ['x-a'] = '1' }) end) error('never')"
    answer = http1.request(start(more=function("pre-function", access=code)).port, "/r")
    assert (answer.status, answer.body, answer.get("x-a")) == (431, b'{"message":"too many"}', "1")
    assert answer.get("content-type") == "application/json; charset=utf-8"
    assert server.events == []


@pytest.mark.parametrize(
    "code",
    [
        "cjson.encode({})",
        "require 'cjson'",
        "io.open('/etc/passwd')",
        "os.execute('true')",
        "os.getenv('HOME')",
        "load('return 1')()",
        "loadstring('return 1')()",
        "setmetatable({}, {})",
        "rawget({}, 1)",
        "debug.getinfo(1)",
        "string.dump(print)",
        "print('x')",
        "string.upper = nil",
        "kong.nope.nope()",
        "kong.response.get_status()",
    ],
)
def test_what_is_not_there_in_kong_raises_and_is_a_500(start: StartKong, upstream: Upstream, code: str) -> None:
    answer = http1.request(start(more=function("pre-function", access=code)).port, "/r")
    assert (answer.status, answer.body) == (500, b'{"message":"An unexpected error occurred"}')
    assert not upstream.requests


def test_what_is_there_in_kong_works(start: StartKong, upstream: Upstream) -> None:
    code = """
      local headers = kong.request.get_headers(1000)
      assert(headers["X-Two"][2] == "b" and headers.x_two[1] == "a")
      assert(kong.request.get_header("X-One") == "1" and kong.request.get_header("nope") == nil)
      assert(ngx.var.request_id == ngx.var.kong_request_id and #ngx.var.request_id == 32)
      assert(ngx.var.http_x_one == "1" and ngx.var.remote_addr == kong.client.get_ip())
      assert(kong.router.get_route().name == "r" and kong.router.get_service().name == "s")
      kong.ctx.shared.list = { "x", "y" }
      assert(#kong.ctx.shared.list == 2 and ngx.get_phase() == "access")
      kong.service.request.set_headers({ ["x-list"] = kong.ctx.shared.list })
      ngx.req.set_header("x-set", ngx.encode_base64("ok"))
      kong.log.notice("a line", 1, " ", nil)
    """
    sent = [("x-one", "1"), ("x-two", "a"), ("x-two", "b")]
    assert http1.request(start(more=function("pre-function", access=code)).port, "/r", *sent).status == 200
    assert upstream.request.all("x-list") == ["x", "y"]
    assert upstream.request.all("x-set") == ["b2s="]


def test_a_function_that_returns_one_keeps_its_upvalues(start: StartKong) -> None:
    code = "local n = 0 return function() n = n + 1 kong.response.set_header('x-n', tostring(n)) end"
    kong = start(more=function("post-function", header_filter=code))
    assert [http1.request(kong.port, "/r").get("x-n") for _ in range(3)] == ["1", "2", "3"]


def test_a_fault_in_header_filter_ends_the_connection(start: StartKong) -> None:
    kong = start(more=function("post-function", header_filter="error('no')"))
    with pytest.raises(AssertionError, match="closed without a response"):
        http1.request(kong.port, "/r")


def test_rewrite_runs_first(start: StartKong, upstream: Upstream) -> None:
    code = "kong.service.request.set_header('x-phase', ngx.get_phase() .. tostring(kong.ctx.shared.route))"
    assert http1.request(start(more=function("pre-function", rewrite=code)).port, "/r").status == 200
    assert upstream.request.get("x-phase") == "rewritenil"


@pytest.mark.parametrize(
    ("groups", "config", "status"),
    [
        (["gold"], {"allow": ["gold"]}, 200),
        (["gold", "b"], {"allow": ["a", "b"]}, 200),
        (["gold"], {"allow": ["silver"]}, 403),
        ([], {"allow": ["gold"]}, 403),
        (["gold"], {"deny": ["gold"]}, 403),
        (["gold"], {"deny": ["silver"]}, 200),
        ([], {"deny": ["silver"]}, 200),
    ],
)
def test_acl_knows_the_consumer_that_a_plugin_server_authenticated(
    server: PluginServer,
    start: StartKong,
    upstream: Upstream,
    groups: list[str],
    config: dict[str, list[str]],
    status: int,
) -> None:
    found = pb.Consumer(id=ALICE.encode(), username=b"alice")
    known = pb.Authenticate(consumer=found, credential=pb.Credential(id=b"c-1", consumer_id=ALICE.encode()))
    server.act = during("access", "kong.client.authenticate", known)
    consumer = {"id": ALICE, "username": "alice", "acls": [{"group": group} for group in groups]}
    kong = start(more={"consumers": [consumer], "plugins": [{"name": "acl", "config": config}]})
    assert http1.request(kong.port, "/r").status == status
    if status == 200:
        assert upstream.request.all("x-consumer-groups") == [", ".join(groups)] * bool(groups)


def test_acl_refuses_a_stranger_with_401(start: StartKong) -> None:
    kong = start(more={"plugins": [{"name": "acl", "config": {"allow": ["gold"]}}]})
    assert http1.request(kong.port, "/r").status == 401


def test_request_termination_answers_after_the_plugin_server(server: PluginServer, start: StartKong) -> None:
    config = {"status_code": 418, "message": "tea"}
    kong = start(more={"plugins": [{"name": "request-termination", "config": config}]})
    answer = http1.request(kong.port, "/r")
    assert (answer.status, answer.body) == (418, b'{"message":"tea"}')
    assert server.events == ["start", "access"]


def test_a_consumers_own_configuration_runs_for_plugins_after_the_one_that_found_it(
    server: PluginServer, start: StartKong
) -> None:
    found = pb.Consumer(id=ALICE.encode(), username=b"alice")
    server.act = during("access", "kong.client.authenticate", pb.Authenticate(consumer=found))
    everybody = {"name": "request-termination", "config": {"status_code": 400}}
    hers = {"name": "request-termination", "config": {"status_code": 418}}
    consumer = {"id": ALICE, "username": "alice", "plugins": [hers]}
    kong = start(more={"consumers": [consumer], "plugins": [everybody]})
    assert http1.request(kong.port, "/r").status == 418
