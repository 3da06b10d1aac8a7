"""Envoy's access log: what a line says, and what it never says."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from harness.forwarding import Forwarder, Targets, document, plan_of, read
from outrider.config import Configuration
from outrider_envoy.render.access_log import access_log, path_filter


@pytest.fixture
def targets() -> Iterator[Targets]:
    found = Targets()
    yield found
    found.stop()


def logging(folder: Path, access: str | None, port: int = 1) -> Configuration:
    services: list[dict[str, Any]] = [{"name": "orders", "url": f"http://127.0.0.1:{port}"}]
    return read(folder, services=services, gateway={"log": {"access": access}} if access else {})


def test_a_line_tells_of_a_request_and_keeps_its_query_to_itself(
    envoy_binary: Path, tmp_path: Path, targets: Targets
) -> None:
    port = targets["one"].port
    found = document(plan_of(logging(tmp_path, "access.log", port)))
    host = found["static_resources"]["listeners"][0]["filter_chains"][0]["filters"][0]["typed_config"]["route_config"]
    rewritten = {"pattern": {"regex": "^/orders"}, "substitution": "/v1"}
    host["virtual_hosts"][0]["routes"][0] |= {"name": "orders-1"}
    host["virtual_hosts"][0]["routes"][0]["route"]["regex_rewrite"] = rewritten
    with Forwarder(envoy_binary, found) as forwarder:
        header = ("x-request-id", 'r"1')
        answer = forwarder.ask("orders", header, path="/7?token=hunter2", method="POST", body=b"12345")
        assert answer.status == 200
        assert forwarder.ask("nothing", path="?token=hunter2").status == 404
        forwarder.quit()
    text = (tmp_path / "access.log").read_text()
    first, second = map(json.loads, text.splitlines())
    assert "hunter2" not in text
    assert targets["one"].request.path == "/v1/7?token=hunter2"
    assert {name: first[name] for name in ("method", "path", "host", "status", "route", "upstream", "client")} == {
        "method": "POST",
        "path": "/orders/7",
        "host": "outrider.test",
        "status": 200,
        "route": "orders-1",
        "upstream": f"127.0.0.1:{port}",
        "client": "127.0.0.1",
    }
    assert first["bytes_received"] == 5
    assert first["duration_ms"] >= 0
    assert "flags" in second
    assert (second["status"], second["path"], second.get("upstream")) == (404, "/nothing", None)


@pytest.mark.parametrize(("access", "kind"), [("stdout", "StdoutAccessLog"), ("access.log", "FileAccessLog")])
def test_it_goes_where_the_file_says(tmp_path: Path, access: str, kind: str) -> None:
    (logger,) = access_log(plan_of(logging(tmp_path, access)))["access_log"]
    assert logger["typed_config"]["@type"].endswith(kind)
    assert logger["typed_config"].get("path") == (None if access == "stdout" else str(tmp_path / access))


def test_by_default_there_is_none(tmp_path: Path) -> None:
    plan = plan_of(logging(tmp_path, None))
    assert (access_log(plan), path_filter(plan)) == ({}, [])
