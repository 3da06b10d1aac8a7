"""Our own bootstrap in front of a server that decides nothing: nothing goes upstream."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from google.protobuf.struct_pb2 import Struct

from harness.gateway import Start
from harness.http1 import request
from harness.process import Envoy
from harness.rendering import Section, configurations, rendered
from harness.say import allow, proceed
from harness.scripted import Authorizer, Messages, Processor, answers, closes
from harness.upstream import Upstream
from outrider_envoy.proto.ext_authz_pb2 import CheckResponse
from outrider_envoy.proto.ext_proc_pb2 import ProcessingResponse


def ours(start: Start, folder: Path, upstream: Upstream, worker: str, protocol: str) -> Envoy:
    """An Envoy with our bootstrap, whose workers are a scripted server."""
    read = configurations(folder)
    url = f"http://127.0.0.1:{upstream.port}"
    document = rendered(read("{name: headers, route: one}", url=url, protocol=protocol), (f"unix:{worker}",))
    (listener,) = document["static_resources"]["listeners"]
    listener |= {"name": "main", "address": {"socket_address": {"address": "127.0.0.1", "port_value": 0}}}
    for cluster in document["static_resources"]["clusters"]:
        # The scripted servers know no health checks.
        cluster.pop("health_checks", None)
    return start.envoy(document)


def marks(messages: Messages) -> Iterator[ProcessingResponse]:
    answer = proceed(next(messages))
    answer.dynamic_metadata.update({"outrider": {"decided": True}})
    yield answer


def marks_otherwise(messages: Messages) -> Iterator[ProcessingResponse]:
    answer = proceed(next(messages))
    answer.dynamic_metadata.update({"outrider": {"decided": False}})
    yield answer


@pytest.mark.parametrize("script", [closes, answers(), marks_otherwise], ids=["closes", "says nothing", "denies"])
def test_a_request_that_nobody_decided_on_is_refused(
    start: Start, processor: Processor, upstream: Upstream, tmp_path: Path, script: object
) -> None:
    envoy = ours(start, tmp_path, upstream, processor.path, "ext_proc")
    processor.script = script  # type: ignore[assignment]  # pyright: ignore[reportAttributeAccessIssue]
    response = request(envoy.port(), "/one")
    assert response.status == 500
    assert b"could not be checked" in response.body
    assert not upstream.requests


def test_a_decision_lets_a_request_on_and_a_route_without_plugins_needs_none(
    start: Start, processor: Processor, upstream: Upstream, tmp_path: Path
) -> None:
    envoy = ours(start, tmp_path, upstream, processor.path, "ext_proc")
    processor.script = marks
    assert request(envoy.port(), "/one").status == 200
    assert request(envoy.port(), "/two").status == 200
    assert len(upstream.requests) == 2


@pytest.mark.parametrize(("metadata", "status"), [({}, 500), ({"decided": True}, 200)])
def test_an_empty_check_response_which_envoy_takes_for_a_yes_is_refused(
    start: Start, authorizer: Authorizer, upstream: Upstream, tmp_path: Path, metadata: Section, status: int
) -> None:
    envoy = ours(start, tmp_path, upstream, authorizer.path, "ext_authz")
    mark = Struct()
    mark.update(metadata)
    authorizer.answer = CheckResponse(dynamic_metadata=mark) if not metadata else allow()
    authorizer.answer.dynamic_metadata.CopyFrom(mark)
    assert request(envoy.port(), "/one").status == status
    assert len(upstream.requests) == (status == 200)
