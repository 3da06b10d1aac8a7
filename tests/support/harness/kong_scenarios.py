"""What each transcript is about: the requests that led to it, and the configuration that Kong had."""

from dataclasses import dataclass, field
from typing import Any

from harness.upstream import Answer

SERVICE = "adbd70b3-4224-5183-a52a-179d7b34ab5b"
DEAD = "3ae50b00-3cbb-5fec-8398-48e418882520"
CURL = (("User-Agent", "curl/7.88.1"), ("Accept", "*/*"))
JSON = ("content-type", "application/json")
T1 = ("x-test", "t1")
ADDED = {"route_id", "__plugin_id", "__ws_id", "__key__", "__seq__"}


def dated(time: str, *headers: tuple[str, str], chunks: tuple[bytes, ...] = (b"{}", b"\n")) -> Answer:
    return Answer(headers=[("date", time), *headers], chunks=chunks)


EMPTY = Answer()


@dataclass(frozen=True)
class Ask:
    """One request to the route of that name, and the status that it ends in."""

    route: str
    status: int = 200
    headers: tuple[tuple[str, str], ...] = ()
    query: str = ""
    body: bytes | None = None
    answer: Answer = EMPTY
    times: int = 1
    settled: bool = True


@dataclass(frozen=True)
class Scenario:
    """What a transcript is about, as far as it can't be read from it. Routes are named after their plugin's mode."""

    name: str
    plugin: str
    phases: tuple[str, ...]
    protocol: str
    asks: tuple[Ask | str, ...]
    host: str = "127.0.0.1:8000"
    created: int = 1795294554
    service_path: str | None = None
    names: dict[str, str] = field(default_factory=dict[str, str])
    paths: dict[str, str] = field(default_factory=dict[str, str])
    timeout: float = 10
    renumbered: bool = False
    held: dict[int, int] = field(default_factory=dict[int, int])

    @property
    def packed(self) -> bool:
        return self.protocol == "MsgPack:1"

    def document(self, configs: list[dict[str, Any]], port: int) -> dict[str, Any]:
        """The kong.yml that they had, but for upstream's port."""
        routes = [self._route(config) for config in configs]
        echo = {"id": SERVICE, "name": "echo", "host": "127.0.0.1", "port": port, "path": self.service_path}
        dead = {"id": DEAD, "name": "dead", "host": "127.0.0.1", "port": 9, "retries": 0}
        return {
            "services": [
                {**echo, "routes": [route for route in routes if route["name"] != "dead"]},
                {**dead, "routes": [route for route in routes if route["name"] == "dead"]},
            ],
            "consumers": [
                {
                    "id": "5b7a5b3e-0f0b-4b0e-9d3c-0a1b2c3d4e5f",
                    "username": "alice",
                    "custom_id": "c-alice",
                    "tags": ["gold"],
                }
            ],
        }

    def _route(self, config: dict[str, Any]) -> dict[str, Any]:
        name = self.names.get(config["route_id"][:8]) or config["mode"]
        own = {key: value for key, value in config.items() if key not in ADDED}
        here = {"id": config["__plugin_id"], "name": self.plugin, "config": own}
        return {"id": config["route_id"], "name": name, "paths": [self.path(name)], "plugins": [here]}

    def path(self, name: str) -> str:
        return self.paths.get(name, f"/{name}")


# What Kong's upstream echoed stands in the transcript: ours says the same, and what reached it must fit.
ECHOED = dated("Sat, 21 Nov 2026 20:55:57 GMT", JSON)
FAST = ("content-type", "text/plain; charset=UTF-8")
SCENARIOS = [
    Scenario(
        name="protobuf-phases",
        plugin="pb-probe",
        phases=("access", "response", "log"),
        protocol="ProtoBuf:1",
        created=1795291279,
        service_path="/fast",
        timeout=0.5,
        held={49: 50},
        names={"d13fbeea": "pbok", "e0ffaa0d": "pbexit", "80b34215": "pbsleep", "e46bff05": "pbbad"},
        asks=(
            Ask("pbok", headers=(T1,), answer=dated("Sat, 21 Nov 2026 20:01:22 GMT", FAST, chunks=(b"ok\n",))),
            # The second request came before the end of the first one's log event, so it went over a new connection.
            Ask("pbexit", 403, headers=(T1,), settled=False),
            Ask("pbok", headers=(T1,), answer=dated("Sat, 21 Nov 2026 20:01:22 GMT", FAST, chunks=(b"ok\n",))),
            Ask("pbsleep", 500),
            Ask("pbbad", 500),
            "down",
            Ask("pbok", 500),
            Ask("pbexit", 500),
            "up",
            Ask("pbok", answer=dated("Sat, 21 Nov 2026 20:01:42 GMT", FAST, chunks=(b"ok\n",))),
        ),
    ),
    Scenario(
        name="protobuf-pdk",
        plugin="pb-script",
        phases=("access", "response", "log"),
        protocol="ProtoBuf:1",
        host="127.0.0.1:18100",
        names={
            "ce18a5bd": "reads",
            "d131b7b7": "writes",
            "56e97dce": "query",
            "a495be26": "body",
            "d88fdedf": "consumer",
            "c8ddedba": "nobody",
            "7d224f55": "exit",
            "966d5018": "exit204",
            "3f685a8d": "response",
            "d9f7eb40": "responseexit",
            "ebec3b10": "log",
            "914dd5e6": "dead",
        },
        asks=(
            Ask("reads", headers=(T1, ("x-multi", "1"), ("x-multi", "2")), query="?a=1&b=x%20y"),
            Ask("writes", headers=(T1,)),
            Ask("writes", headers=(T1,), body=b"old body"),
            Ask("query"),
            Ask("body", body=b"hello=1"),
            Ask("consumer"),
            Ask("nobody"),
            Ask("exit", 401),
            Ask("exit204", 204),
            Ask("response", 202, answer=ECHOED),
            Ask("responseexit", answer=ECHOED),
            Ask("log", answer=dated("Sat, 21 Nov 2026 20:55:57 GMT", JSON)),
            Ask("dead", 502),
            Ask("body", body=b"x" * 20000),
            Ask("reads", headers=(("x-test", "\xff\xfe"),)),
        ),
    ),
    Scenario(
        name="msgpack-phases",
        plugin="py-probe-r",
        phases=("access", "response", "log"),
        protocol="MsgPack:1",
        created=1795290360,
        names={"4fea6061": "okr"},
        paths={"okr": "/r-ok"},
        asks=(
            Ask(
                "okr",
                headers=(T1, ("x-multi", "a"), ("x-multi", "b")),
                answer=dated("Sat, 21 Nov 2026 19:46:03 GMT", JSON),
            ),
        ),
    ),
    Scenario(
        name="msgpack-outcomes",
        plugin="py-probe",
        phases=("access",),
        protocol="MsgPack:1",
        renumbered=True,
        asks=(
            *(
                Ask(mode, status, headers=(T1, ("x-multi", "a"), ("x-multi", "b")))
                for mode, status in (("ok", 200), ("exit", 403), ("auth", 403), ("no-call", 200), ("bad-method", 200))
            ),
            Ask("bad-args", 500, headers=(T1, ("x-multi", "a"), ("x-multi", "b"))),
            Ask("sleep-after", times=6),
        ),
    ),
    Scenario(
        name="msgpack-edges",
        plugin="mp-lab",
        phases=("access",),
        protocol="MsgPack:1",
        timeout=0.5,
        asks=(
            Ask("get-body0", body=b"a" * 100000),
            *(Ask(mode, body=b"body=1") for mode in ("ok", "strid", "bigid", "err-string")),
            Ask("err-map", 500),
            *(Ask(mode) for mode in ("err-empty", "err-false", "err-bin", "notif", "notif-unknown")),
            Ask("exit", 503),
            Ask("error", 502),
            *(Ask(mode) for mode in ("nil-result", "bin-args", "latin1", "numid", "list")),
            Ask("null-arg", 500),
            Ask("raise-pdk", 500),
            *(
                Ask(mode, body=b"body=1")
                for mode in ("get-body", "ctx", "hdrs", "multi", "consumer", "err-mid", "trickle")
            ),
            Ask("close"),
            Ask("start-error", 500),
            Ask("start-noreply-close", 500),
            Ask("wrong-id", 500),
            # It waits in vain and passes; its late answer is what the next request gets instead of its own.
            Ask("late"),
            Ask("ok", 500),
            Ask("ok"),
        ),
    ),
]
