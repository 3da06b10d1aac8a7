"""A plugin at its place."""

from typing import Any

from outrider.config.entities.base import Entity, Reference, Text
from outrider.config.field_types import Name


class PluginEntry(Entity):
    """A plugin at its place: global, or on a service, a route, a consumer or a group."""

    name: Text
    """The plugin's name; `outrider plugins` lists them."""
    config: dict[str, Any] = {}
    """The plugin's own fields; `outrider plugins NAME` lists them."""
    enabled: bool = True
    """false leaves the plugin out, though its configuration is still checked."""
    instance_name: Name | None = None
    """A name of this one configuration, unique in the file."""
    service: Reference | None = None
    """Runs only for requests to this service."""
    route: Reference | None = None
    """Runs only for requests on this route."""
    consumer: Reference | None = None
    """Runs only for requests of this consumer."""
    consumer_group: Reference | None = None
    """Runs only for requests of consumers in this group."""
