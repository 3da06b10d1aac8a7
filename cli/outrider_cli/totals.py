"""How much there is in a file, in words."""

from outrider.config import Configuration


def totals(configuration: Configuration) -> str:
    """As in `2 routes and 1 plugin`, and with the limits of a rate limit service, if it has one."""
    found = f"{_number(len(configuration.routes), 'route')} and {_number(len(configuration.plugins), 'plugin')}"
    service = configuration.gateway.rate_limit_service
    if service is None:
        return found
    limits = sum(one.rate_limit is not None for _, _, one in service.descriptors())
    return f"{found}, and {_number(limits, 'limit')} in {_number(len(service.domains), 'domain')}"


def _number(count: int, noun: str) -> str:
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"
