"""Envoy takes the longest back-off between the tries of a call for the time-out of a try, too."""

import pytest

from harness.bootstrap import Config, ext_authz, grpc
from harness.gateway import Start
from harness.http1 import request
from harness.scripted import Authorizer
from harness.upstream import Upstream


@pytest.mark.parametrize(
    "back_off", [{"base_interval": "0.010s"}, {"base_interval": "0.001s", "max_interval": "0.100s"}]
)
def test_a_check_is_given_up_after_the_longest_back_off(
    start: Start, authorizer: Authorizer, upstream: Upstream, back_off: Config
) -> None:
    policy = {"num_retries": 1, "retry_on": "connect-failure", "retry_back_off": back_off}
    port = start(ext_authz(grpc_service=grpc("authorizer", timeout="100s", retry_policy=policy)))
    authorizer.gate.clear()
    try:
        assert request(port).status == 403
    finally:
        authorizer.gate.set()
    assert upstream.requests == []
