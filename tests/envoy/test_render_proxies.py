"""Envoy's listener, as far as it follows from gateway.trusted_ips."""

from pathlib import Path
from typing import Any

import pytest

from harness.rendering import Read, Section, configurations, rendered, the_filter
from outrider_envoy.capabilities import unsupported

TRUSTED = "10.0.0.0/8, 10.0.0.7/8, 192.0.2.7, '2001:db8::/32'"
RANGES = [
    ("10.0.0.0", 8),
    ("::ffff:a00:0", 104),
    ("192.0.2.7", 32),
    ("::ffff:c000:207", 128),
    ("2001:db8::", 32),
]


@pytest.fixture
def read(tmp_path: Path) -> Read:
    return configurations(tmp_path)


def chains(document: Section) -> list[Section]:
    (listener,) = document["static_resources"]["listeners"]
    found: list[Section] = listener["filter_chains"]
    return found


def manager(chain: Section) -> Section:
    (network_filter,) = chain["filters"]
    config: Section = network_filter["typed_config"]
    return config


def ranges(cidrs: list[dict[str, Any]]) -> list[tuple[str, int]]:
    return [(cidr["address_prefix"], cidr["prefix_len"]) for cidr in cidrs]


def test_trusted_ips_are_served(read: Read) -> None:
    assert not unsupported(read("{name: headers}", trusted=TRUSTED))


@pytest.mark.parametrize("protocol", ["ext_proc", "ext_authz"])
def test_without_trusted_ips_nobody_is_believed(read: Read, protocol: str) -> None:
    document = rendered(read("{name: headers}", protocol=protocol))
    (everybody,) = chains(document)
    assert "filter_chain_match" not in everybody
    assert manager(everybody)["use_remote_address"] is True
    assert "original_ip_detection_extensions" not in manager(everybody)
    assert "initial_metadata" not in the_filter(document)["grpc_service"]


def test_strangers_have_the_same_chain_with_trusted_ips_as_without(read: Read) -> None:
    (everybody,) = chains(rendered(read("{name: headers}")))
    strangers, _ = chains(rendered(read("{name: headers}", trusted=TRUSTED)))
    assert strangers == everybody


def test_only_connections_from_trusted_ips_take_the_chain_that_believes(read: Read) -> None:
    _, proxies = chains(rendered(read("{name: headers}", trusted=TRUSTED)))
    assert ranges(proxies["filter_chain_match"]["direct_source_prefix_ranges"]) == RANGES
    (detection,) = manager(proxies)["original_ip_detection_extensions"]
    assert ranges(detection["typed_config"]["xff_trusted_cidrs"]["cidrs"]) == RANGES
    assert detection["typed_config"]["skip_xff_append"] is False


@pytest.mark.parametrize("protocol", ["ext_proc", "ext_authz"])
def test_the_two_chains_differ_in_whom_they_believe_and_in_nothing_else(read: Read, protocol: str) -> None:
    document = rendered(read("{name: headers}", protocol=protocol, trusted=TRUSTED))
    strangers, proxies = (manager(chain) for chain in chains(document))
    different = {name for name in {*strangers, *proxies} if strangers.get(name) != proxies.get(name)}
    assert different == {
        "use_remote_address",
        "original_ip_detection_extensions",
        "early_header_mutation_extensions",
    }


def test_what_proxies_pass_on_loses_envoys_own_headers_beside_those_of_strangers(read: Read) -> None:
    strangers, proxies = (
        manager(chain)["early_header_mutation_extensions"][0]["typed_config"]["mutations"]
        for chain in chains(rendered(read("{name: knows}", trusted=TRUSTED)))
    )
    assert {"remove": "x-user-email"} in strangers
    assert {"remove_on_match": {"key_matcher": {"prefix": "x-envoy-"}}} in proxies
    # What a proxy says of the request is for upstream to hear.
    kept = [one["remove"] for one in strangers if one not in proxies]
    assert kept == ["x-forwarded-host", "x-forwarded-path", "x-forwarded-port", "x-forwarded-prefix"]


def test_ext_authz_is_told_the_clients_address_which_its_source_is_not(read: Read) -> None:
    config = the_filter(rendered(read("{name: headers}", protocol="ext_authz", trusted=TRUSTED)))
    metadata = {one["key"]: one["value"] for one in config["grpc_service"]["initial_metadata"]}
    assert metadata == {"outrider-client": "%DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT%"}
