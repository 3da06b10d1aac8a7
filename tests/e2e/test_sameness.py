"""The same chain, request and answer through every gateway: downstream and upstream see the same."""

import os
from collections.abc import Callable
from typing import Any

from hypothesis import Phase, event, given, settings

from harness import http1
from harness.outrider import Outrider
from harness.plays import Scene, Seen, scenes, seen
from harness.sample import Protocol
from harness.upstream import Upstream

PROTOCOLS: list[Protocol] = ["ext_proc", "ext_authz", "kong"]
Gateways = Callable[[Protocol], Outrider]
BOUNDED = settings(
    max_examples=int(os.environ.get("OUTRIDER_EXAMPLES", "60")),
    # Each example is three requests over sockets.
    deadline=None,
    # What explains a failure takes longer than all else.
    phases=[Phase.explicit, Phase.reuse, Phase.generate, Phase.shrink],
)


def played(gateway: Outrider, upstream: Upstream, scene: Scene, path: str) -> tuple[int, Seen, list[Any]]:
    """The status and what downstream saw, and what upstream saw."""
    upstream.reset()
    upstream.answer = scene.answer
    response = http1.send(gateway.port, scene.encode(path))
    reached = [(request.method, request.path, seen(request)) for request in upstream.requests]
    return response.status, seen(response), reached


def test_a_chain_of_request_hooks_does_the_same_behind_each_gateway(
    shared_gateways: Gateways, shared_upstream: Upstream
) -> None:
    proc, authz, kong = map(shared_gateways, PROTOCOLS)

    @BOUNDED
    @given(scenes(whole=False))
    def check(scene: Scene) -> None:
        by_proc, by_authz, by_kong = (
            played(gateway, shared_upstream, scene, "/played") for gateway in (proc, authz, kong)
        )
        event("reached upstream" if by_proc[2] else "answered by a plugin")
        assert by_proc == by_authz
        assert by_proc == by_kong

    check()


def test_a_chain_of_all_hooks_does_the_same_behind_ext_proc_and_kong(
    shared_gateways: Gateways, shared_upstream: Upstream
) -> None:
    proc, _, kong = map(shared_gateways, PROTOCOLS)

    @BOUNDED
    @given(scenes(whole=True))
    def check(scene: Scene) -> None:
        by_proc, by_kong = (played(gateway, shared_upstream, scene, "/played-whole") for gateway in (proc, kong))
        event("reached upstream" if by_proc[2] else "answered by a plugin")
        assert by_proc == by_kong

    check()
