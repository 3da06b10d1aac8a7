"""An Envoy whose owner knows of the filter only, and not what Envoy does by default."""

from pathlib import Path

import pytest

from harness.bootstrap import bootstrap, cluster, ext_authz, ext_proc, grpc, listener, rate_limit, route
from harness.inspected import EXAMPLES, dump_of
from harness.rendering import Section, planned
from outrider import discovery
from outrider.config import load
from outrider_envoy.inspection import inspect

PLUGINS, LIMITS = EXAMPLES / "envoy" / "outrider.yaml", EXAMPLES / "rate-limit-service.yaml"


def hand_made(filter_: Section) -> Section:
    return bootstrap([listener([filter_], [route("/orders")])], [cluster("upstream", 1), cluster("mine", 2)])


@pytest.mark.parametrize(
    ("filter_", "file", "words"),
    [
        (
            ext_proc(grpc_service=grpc("mine"), message_timeout=None),
            PLUGINS,
            {"/open/../orders", "//orders", "..%2forders", "x_consumer_id", "use_remote_address", "x-envoy-*"}
            | {"x-consumer-id,", "message_timeout is 0.2 s", "no filter asks for the mark", "[outrider]"}
            | {
                "disallow_is_error",
                "source.address",
                "request_body_mode is not set",
                "ratelimit-policy, x-request-id",
            }
            | {"it has 1 of", "HTTP/2"},
        ),
        (
            ext_authz(grpc_service=grpc("mine")),
            LIMITS,
            {"no rate limit filter asks the workers, so gateway.rate_limit_service holds for nobody"},
        ),
        (ext_authz(grpc_service=grpc("mine")), PLUGINS, {"no ext_proc filter of any listener asks the workers"}),
        (
            rate_limit(
                rate_limit_service={"grpc_service": grpc("mine"), "transport_api_version": "V3"}, timeout=None
            ),
            LIMITS,
            {
                "/open/../orders",
                "//orders",
                "..%2forders",
                "use_remote_address",
                "may take 0.02 s",
                "without a limit",
            },
        ),
    ],
    ids=["ext_proc", "no rate limits", "ext_authz", "rate limits"],
)
def test_envoys_defaults_are_named(envoy_binary: Path, filter_: Section, file: Path, words: set[str]) -> None:
    filter_["typed_config"] = {name: value for name, value in filter_["typed_config"].items() if value is not None}
    plan = planned(load(file, discovery.installed()))
    told = "\n".join(map(str, inspect(dump_of(hand_made(filter_), envoy_binary), plan)))
    assert {word for word in words if word not in told} == set()
