"""Several addresses of one service, and how requests are spread over them."""

from typing import Annotated

from pydantic import Field

from outrider.config.entities.base import Entity, Reference, Text
from outrider.config.field_types import UpstreamHost


class TargetEntry(Entity):
    """One address of an upstream."""

    target: Text
    """HOST, HOST:PORT or an address; the port is 8000 if none is given."""
    weight: Annotated[int, Field(ge=0, le=65535)] = 100
    """How large its share of the requests is; 0 sends it none."""
    upstream: Reference | None = None
    """The upstream, for a target that does not stand under one."""


class UpstreamEntry(Entity):
    """Several addresses under one name, which a service gives as its host."""

    name: UpstreamHost
    """The name, unique in the file; a service whose host it is goes to the targets."""
    targets: list[TargetEntry] = []
    """The addresses."""
