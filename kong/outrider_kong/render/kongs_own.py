"""What only Kong has, as it was written."""

from outrider.config import Configuration
from outrider.config.kongs_own import KongsPlugin
from outrider_kong.render.fields import without_nothing
from outrider_kong.render.plan import Section


def plugin_entity(one: KongsPlugin) -> Section:
    """One of Kong's own plugins, at the top of the configuration, with the names of what it is for."""
    place = without_nothing(service=one.service, route=one.route, consumer=one.consumer, consumer_group=one.group)
    written = {name: value for name, value in one.fields.items() if value is not None}
    return {**written, **place}


def lists(configuration: Configuration, consumer: str | None) -> Section:
    """The lists that stand at the top of the file, or under a consumer."""
    own = configuration.kongs_own
    return {one.name: one.items for one in (*own.lists, *own.jwt_secrets) if one.consumer == consumer}
