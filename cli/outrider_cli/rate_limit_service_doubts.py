"""What a rate limit service has that is allowed, and still worth a word."""

from collections.abc import Iterator
from typing import Final

from outrider.config import Configuration
from outrider.config.mistake import shown
from outrider.config.rate_limit_service import Descriptor, Domain, RateLimitService, walk
from outrider.config.where import Place

_SECTION: Final[Place] = ("gateway", "rate_limit_service")
_Doubt = tuple[Place, str, str]
"""Where in the section, what, and the remedy."""


def doubts(configuration: Configuration) -> Iterator[str]:
    """One line for each, from its line number on."""
    service = configuration.gateway.rate_limit_service
    for place, what, remedy in _of(service) if service is not None else ():
        told = configuration.document.mistake((*_SECTION, *place), f"warning: {what}", remedy)
        yield str(told).removeprefix(f"{told.file}:")


def _of(service: RateLimitService) -> Iterator[_Doubt]:
    if service.on_storage_error == "allow":
        what = "on_storage_error is allow, so what can't be counted gets through"
        yield ("on_storage_error",), what, "set it to deny"
    for index, domain in enumerate(service.domains):
        names = _names(domain)
        for place, one in walk(domain.descriptors, ("domains", index)):
            yield from _of_descriptor(place, one)
            yield from _of_nobody(place, one, names)


def _names(domain: Domain) -> set[str]:
    return {one.rate_limit.name for _, one in walk(domain.descriptors) if one.rate_limit is not None}


def _of_descriptor(place: Place, one: Descriptor) -> Iterator[_Doubt]:
    if one.shadow_mode:
        what = "shadow_mode is true, so it refuses nobody"
        yield (*place, "shadow_mode"), what, "remove it when the figures are right"
    for field in ("detailed_metric", "value_to_metric"):
        if getattr(one, field):
            yield place, f"{field} has no effect here", "remove it"


def _of_nobody(place: Place, one: Descriptor, names: set[str]) -> Iterator[_Doubt]:
    for index, other in enumerate(one.rate_limit.replaces if one.rate_limit else ()):
        if other.name not in names:
            what = f"no limit of this domain is called {shown(other.name)}, so it takes nobody's place"
            yield (*place, "rate_limit", "replaces", index), what, "write the name of a limit, or remove it"
