"""A request's hooks run once, whatever becomes of the worker that runs them."""

from collections.abc import Callable
from pathlib import Path

import pytest

from harness.outrider import Outrider, plugin, service
from harness.process import until
from harness.upstream import Upstream

Start = Callable[..., Outrider]


@pytest.mark.parametrize("protocol", ["ext_proc", "ext_authz"])
def test_a_request_whose_worker_dies_in_mid_hook_is_refused_and_asked_nowhere_else(
    start: Start, upstream: Upstream, tmp_path: Path, protocol: str
) -> None:
    log = tmp_path / "asked"
    gateway = start(service("once", upstream.port, plugin("dies", log=str(log))), protocol=protocol)
    workers = {str(pid) for pid in gateway.workers()}
    assert gateway.request("/once", ("x-die", "yes")).status in {500, 503}
    [asked] = log.read_text().splitlines()
    assert asked in workers
    assert not upstream.requests
    # The other worker, or the one that was started again, takes the next request.
    until(lambda: gateway.request("/once").status == 200)
    assert len(upstream.requests) == 1
    assert len(log.read_text().splitlines()) == 2
