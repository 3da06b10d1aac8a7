"""Whose limit a whole response must find room in."""

import pytest

from harness.bootstrap import Config, cluster, ext_proc, mode
from harness.gateway import Start
from harness.http1 import request
from harness.upstream import Answer, Upstream

WHOLE = mode(request_header_mode="SEND", response_header_mode="SEND", response_body_mode="BUFFERED")
LARGE, SMALL = ({"per_connection_buffer_limit_bytes": size} for size in (4_000_000, 100_000))


@pytest.mark.parametrize(("listener", "upstreams", "status"), [(LARGE, SMALL, 200), (SMALL, LARGE, 500)])
def test_a_whole_response_needs_room_in_the_listener_and_not_in_the_cluster(
    start: Start, upstream: Upstream, listener: Config, upstreams: Config, status: int
) -> None:
    upstream.answer = Answer(chunks=[b"x" * 2_000_000])
    clusters = [cluster("upstream", upstream.port, **upstreams)]
    port = start(ext_proc(processing_mode=WHOLE), clusters=clusters, **listener)
    assert request(port).status == status
