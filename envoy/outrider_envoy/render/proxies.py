"""Trusted proxies: whose x-forwarded-for Envoy believes."""

from ipaddress import IPv4Network, IPv6Network, ip_network

from outrider_envoy.render.plan import Plan, Section, typed
from outrider_envoy.selection import CLIENT_KEY

_XFF = "envoy.extensions.http.original_ip_detection.xff.v3.XffConfig"

INTERNAL_HEADERS: Section = {"remove_on_match": {"key_matcher": {"prefix": "x-envoy-"}}}
"""The mutation that removes what a proxy passes on from anybody and only Envoy may say.

Envoy itself removes most of these, but not with `use_remote_address: false`.
"""


def trusted_ranges(plan: Plan) -> list[Section]:
    """`gateway.trusted_ips`, each range once, as Envoy's `CidrRange`s."""
    ranges = dict.fromkeys(form for one in plan.configuration.gateway.trusted_ips for form in _forms(one))
    return [{"address_prefix": str(one.network_address), "prefix_len": one.prefixlen} for one in ranges]


def detection(ranges: list[Section]) -> Section:
    """Takes the rightmost address of x-forwarded-for that is not a trusted proxy's for the client's."""
    config = typed(_XFF, xff_trusted_cidrs={"cidrs": ranges}, skip_xff_append=False)
    return {"name": "envoy.http.original_ip_detection.xff", "typed_config": config}


def client_metadata(plan: Plan) -> list[Section]:
    """For ext_authz: tells the workers the client's address, where it can be another than that of the connection."""
    if not plan.configuration.gateway.trusted_ips:
        return []
    return [{"key": CLIENT_KEY, "value": "%DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT%"}]


def _forms(network: IPv4Network | IPv6Network) -> list[IPv4Network | IPv6Network]:
    """A proxy that listens on both versions writes IPv4 addresses as IPv6 (RFC 4291, section 2.5.5.2)."""
    if network.version == 6:
        return [network]
    return [network, ip_network(f"::ffff:{network.network_address}/{96 + network.prefixlen}")]
