"""ip-restriction: which addresses are let in."""

import json
from ipaddress import ip_address, ip_network
from typing import Any

import pytest
from pydantic import ValidationError

from outrider import Request
from outrider.testing import run
from outrider_plugins.ip_restriction import IpRestriction
from outrider_plugins.networks import Ranges, client_address


def restriction(**config: Any) -> IpRestriction:
    """With the entries as text, as a file has them."""
    return IpRestriction(**config)


def status(client: str, **config: Any) -> int:
    return run(restriction(**config), Request(client=client)).status


@pytest.mark.parametrize(
    ("client", "expected"),
    [
        ("10.0.0.0", 200),
        ("10.255.255.255", 200),
        ("11.0.0.0", 403),
        ("9.255.255.255", 403),
        ("192.0.2.7", 200),
        ("192.0.2.8", 403),
        ("2001:db8::", 200),
        ("2001:DB8:ffff:ffff:ffff:ffff:ffff:ffff", 200),
        ("2001:db9::", 403),
        ("::1", 403),
    ],
)
def test_with_allow_only_those_are_let_in(client: str, expected: int) -> None:
    assert status(client, allow=["10.0.0.0/8", "192.0.2.7", "2001:db8::/32"]) == expected


@pytest.mark.parametrize(
    ("client", "expected"),
    [("192.0.2.7", 403), ("192.0.2.8", 200), ("2001:db8::1", 403), ("2001:db9::1", 200)],
)
def test_with_deny_alone_all_others_are_let_in(client: str, expected: int) -> None:
    assert status(client, deny=["192.0.2.7/32", "2001:db8::/32"]) == expected


@pytest.mark.parametrize(("client", "expected"), [("10.0.0.1", 200), ("10.1.0.1", 403), ("192.0.2.1", 403)])
def test_deny_wins_over_allow(client: str, expected: int) -> None:
    assert status(client, allow=["10.0.0.0/8"], deny=["10.1.0.0/16"]) == expected
    assert status("10.1.0.1", allow=["10.1.0.1"], deny=["10.0.0.0/8"]) == 403


@pytest.mark.parametrize("entry", ["192.0.2.0/24", "::ffff:192.0.2.0/120", "::ffff:c000:207", "::FFFF:192.0.2.7"])
@pytest.mark.parametrize("client", ["192.0.2.7", "::ffff:192.0.2.7", "::ffff:c000:207", "::ffff:192.0.2.7%eth0"])
def test_a_mapped_address_is_the_ipv4_address_in_it(entry: str, client: str) -> None:
    assert status(client, deny=[entry]) == 403
    assert status(client, allow=[entry]) == 200


def test_all_mapped_addresses_are_all_ipv4_addresses() -> None:
    assert status("203.0.113.9", deny=["::ffff:0:0/96"]) == 403
    assert status("2001:db8::1", deny=["::ffff:0:0/96"]) == 200


@pytest.mark.parametrize(("entry", "v4", "v6"), [("0.0.0.0/0", 403, 200), ("::/0", 200, 403)])
def test_a_range_holds_addresses_of_its_own_version_only(entry: str, v4: int, v6: int) -> None:
    assert status("192.0.2.7", deny=[entry]) == v4
    assert status("::ffff:192.0.2.7", deny=[entry]) == v4
    assert status("2001:db8::1", deny=[entry]) == v6


@pytest.mark.parametrize("client", ["fe80::1", "fe80::1%eth0", "fe80::1%4"])
def test_a_zone_does_not_matter(client: str) -> None:
    assert status(client, deny=["fe80::/10"]) == 403
    assert status(client, allow=["fe80::1"]) == 200


@pytest.mark.parametrize(
    "client", ["", "-", "/run/envoy.sock", "@abstract", "localhost", "10.0.0.1:80", "010.0.0.1", "10.0.0.1, 10.0.0.2"]
)
def test_a_client_without_an_ip_address_is_refused_even_where_all_are_let_in(client: str) -> None:
    assert status(client, allow=["0.0.0.0/0", "::/0"]) == 403
    assert status(client, deny=["192.0.2.7"]) == 403


def test_a_refusal_has_its_status_message_and_id() -> None:
    request = Request(client="192.0.2.7")
    outcome = run(restriction(deny=["192.0.2.0/24"], status=404, message="No such page"), request)
    assert outcome.status == 404
    assert json.loads(outcome.body) == {"message": "No such page", "request_id": request.id}
    assert b"192.0.2" not in run(restriction(deny=["192.0.2.0/24"]), request).body


def test_a_head_request_and_a_grpc_call_are_refused_in_their_own_terms() -> None:
    plugin = restriction(allow=["10.0.0.0/8"])
    assert run(plugin, Request("HEAD", client="192.0.2.7")).body == b""
    call = Request("POST", headers={"content-type": "application/grpc"}, client="192.0.2.7")
    assert run(plugin, call).body == b"Your address is not allowed"


@pytest.mark.parametrize(
    ("config", "words"),
    [
        ({}, "restricts nobody: give allow, deny or both"),
        ({"allow": []}, "at least 1 item"),
        ({"deny": []}, "at least 1 item"),
        ({"allow": ["10.0.0.7/8"]}, "'10.0.0.7/8' has bits set behind its prefix: write 10.0.0.0/8"),
        ({"deny": ["2001:db8::1/32"]}, "write 2001:db8::/32"),
        ({"deny": ["::ffff:10.0.0.7/104"]}, "has bits set behind its prefix"),
        ({"deny": ["fe80::1%eth0"]}, "is no address range"),
        ({"deny": ["fe80::%eth0/10"]}, "is no address range"),
        ({"deny": ["10.0.0.0/33"]}, "is no address range"),
        ({"deny": ["10.0.0.0/255.0.0.0"]}, "is no address range"),
        ({"deny": ["10.0.0"]}, "is no address range: write it as in 10.0.0.0/8"),
        ({"deny": ["example.com"]}, "is no address range"),
        ({"deny": [" 10.0.0.1"]}, "is no address range"),
        ({"deny": [167772161]}, "is no address range"),
        ({"deny": ["10.0.0.1"], "status": 200}, "greater than or equal to 400"),
    ],
)
def test_a_mistake_in_the_configuration_is_refused(config: dict[str, Any], words: str) -> None:
    with pytest.raises(ValidationError) as refused:
        restriction(**config)
    assert words in str(refused.value)


def test_it_asks_for_the_address_and_nothing_else() -> None:
    assert restriction(deny=["10.0.0.1"]).needs().facts == {"client"}


def test_a_look_up_finds_what_going_through_the_ranges_one_by_one_finds() -> None:
    networks = [ip_network(f"{one}.{one}.0.0/{8 + one % 24}", strict=False) for one in range(1, 224)]
    networks += [ip_network(f"2001:{one:x}::/{32 + one % 97}", strict=False) for one in range(1, 224)]
    ranges = Ranges(networks)
    for one in networks:
        for address in (one[0], one[-1], one[0] - 1, one[-1] + 1):
            assert (address in ranges) is any(address in network for network in networks)


def test_addresses_are_read_in_every_spelling() -> None:
    assert client_address("2001:DB8:0:0::1") == ip_address("2001:db8::1")
    assert client_address("::ffff:a00:1") == ip_address("10.0.0.1")
