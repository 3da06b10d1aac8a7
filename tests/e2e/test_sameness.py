"""The same chain, request and answer through every gateway: downstream and upstream see the same."""

import os
from collections.abc import Callable, Iterable
from itertools import starmap
from typing import Any

from hypothesis import Phase, event, given, settings

from harness import http1
from harness.outrider import Outrider
from harness.plays import Scene, Seen, scenes, seen
from harness.sample import Protocol
from harness.upstream import Upstream

Gateways = Callable[[Protocol, str], Outrider]
PROC: list[tuple[Protocol, str]] = [("ext_proc", "engine"), ("ext_proc", "grpcio")]
AUTHZ: list[tuple[Protocol, str]] = [("ext_authz", "engine"), ("ext_authz", "grpcio")]
KONG: tuple[Protocol, str] = ("kong", "engine")
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


def same(gateways: Iterable[Outrider], upstream: Upstream, path: str, *, whole: bool) -> None:
    """Holds every gateway against the first, on one scene after the other."""
    first, *others = gateways

    @BOUNDED
    @given(scenes(whole=whole))
    def check(scene: Scene) -> None:
        expected = played(first, upstream, scene, path)
        event("reached upstream" if expected[2] else "answered by a plugin")
        for gateway in others:
            assert played(gateway, upstream, scene, path) == expected

    check()


def test_a_chain_of_request_hooks_does_the_same_behind_each_gateway(
    shared_gateways: Gateways, shared_upstream: Upstream
) -> None:
    gateways = starmap(shared_gateways, [*PROC, *AUTHZ, KONG])
    same(gateways, shared_upstream, "/played", whole=False)


def test_a_chain_of_all_hooks_does_the_same_behind_ext_proc_and_kong(
    shared_gateways: Gateways, shared_upstream: Upstream
) -> None:
    same(starmap(shared_gateways, [*PROC, KONG]), shared_upstream, "/played-whole", whole=True)
