"""What a message to the rate limit service asks: for each of its descriptors the limit, and how much of it."""

from typing import Final, NamedTuple

from outrider_envoy.descriptors import Entry, Found, Tree
from outrider_envoy.errors import ProtocolError
from outrider_envoy.proto.rate_limit_pb2 import RateLimitDescriptor, RateLimitRequest

DESCRIPTORS: Final = 64
"""So many descriptors a message may have."""
ENTRIES: Final = 32
"""So many entries a descriptor may have."""
MOST: Final = 2**32
"""A cost above it is this much: more than any limit."""


class Asked(NamedTuple):
    """One descriptor of a message; `used` if it says itself how much of its limit was used up."""

    found: Found | None
    cost: int
    used: bool


def asked_limits(tree: Tree, message: RateLimitRequest) -> list[Asked]:
    """In the order of the message. Raises `ProtocolError` if it makes no sense, or is larger than any that does."""
    descriptors = message.descriptors
    if not 0 < len(descriptors) <= DESCRIPTORS:
        raise ProtocolError(f"one has no descriptors, or more than {DESCRIPTORS}")
    usual = message.hits_addend or 1
    asked = [_asked(tree, one, usual) for one in descriptors]
    replaced = {name for one in asked if one.found for name in one.found.applied.replaces}
    if not replaced:
        return asked
    return [one._replace(found=None) if one.found and one.found.applied.name in replaced else one for one in asked]


def _asked(tree: Tree, descriptor: RateLimitDescriptor, usual: int) -> Asked:
    if len(descriptor.entries) > ENTRIES:
        raise ProtocolError(f"one has a descriptor with more than {ENTRIES} entries")
    entries = [_entry(one) for one in descriptor.entries]
    # A cost of 0 asks what is left, and counts nothing.
    used = descriptor.HasField("hits_addend")
    cost = min(descriptor.hits_addend.value if used else usual, MOST)
    if not descriptor.HasField("limit"):
        return Asked(tree.find(entries), cost, used)
    own = descriptor.limit
    if (found := tree.override(entries, own.requests_per_unit, own.unit)) is None:
        raise ProtocolError("one has a descriptor that brings a limit in an unknown unit")
    return Asked(found, cost, used)


def _entry(sent: RateLimitDescriptor.Entry) -> Entry:
    # As headers are read: bytes that are no UTF-8 stay apart from all others.
    return str(sent.key, "utf-8", "surrogateescape"), str(sent.value, "utf-8", "surrogateescape")
