"""What all of Kong's entities have in common."""

from ipaddress import ip_address

from outrider_kong.render.plan import Section


def without_nothing(**fields: object) -> Section:
    """The fields that say something."""
    return {name: value for name, value in fields.items() if value is not None and value != []}


def host_for_kong(host: str) -> str:
    """An IPv6 address in brackets: nginx takes what stands before the first colon for the host."""
    if ":" not in host:
        return host
    # Kong knows none with an IPv4 address inside.
    return f"[{ip_address(host).exploded if '.' in host else host}]"
