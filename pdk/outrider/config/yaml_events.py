"""The events of a YAML text, one by one: never all of a file's nodes, nor more of the stack than its depth."""

from collections.abc import Iterator
from typing import cast

import yaml

Loader = cast("type[yaml.SafeLoader]", getattr(yaml, "CSafeLoader", yaml.SafeLoader))

_STARTS = (yaml.MappingStartEvent, yaml.SequenceStartEvent)
_ENDS = (yaml.MappingEndEvent, yaml.SequenceEndEvent)


class Events:
    """The parser's events; in place of an alias come the events of what it stands for."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.has_aliases = False
        self._sources: list[Iterator[yaml.Event]] = [yaml.parse(text, Loader=Loader)]
        self._anchors: dict[str, list[yaml.Event]] = {}

    def next(self) -> yaml.Event:
        """The next one. Raises `yaml.YAMLError` where the text is none."""
        event = next(self._sources[-1], None) or self._raw()
        if not isinstance(event, yaml.NodeEvent) or event.anchor is None:
            return event
        if isinstance(event, yaml.AliasEvent):
            self.has_aliases = True
            return self._replayed(self._known(event))
        self._anchors[event.anchor] = node = self._node(event)
        return self._replayed(node)

    def skip(self, event: yaml.Event) -> None:
        """Leaves out the rest of the node that begins with this event."""
        depth = int(isinstance(event, _STARTS))
        while depth:
            event = self._raw()
            depth += isinstance(event, _STARTS) - isinstance(event, _ENDS)

    def _raw(self) -> yaml.Event:
        while (event := next(self._sources[-1], None)) is None:
            self._sources.pop()
        return event

    def _node(self, event: yaml.Event) -> list[yaml.Event]:
        events = [event]
        depth = int(isinstance(event, _STARTS))
        while depth:
            events.append(event := self._raw())
            depth += isinstance(event, _STARTS) - isinstance(event, _ENDS)
        return events

    def _replayed(self, events: list[yaml.Event]) -> yaml.Event:
        self._sources.append(iter(events[1:]))
        return events[0]

    def _known(self, event: yaml.AliasEvent) -> list[yaml.Event]:
        if event.anchor not in self._anchors:
            # The stubs know only one of the two classes of marks.
            mark = cast("yaml.Mark", event.start_mark)
            raise yaml.MarkedYAMLError(problem="found undefined alias", problem_mark=mark)
        return self._anchors[event.anchor]


def tag_of(event: yaml.ScalarEvent) -> str:
    """The tag that a scalar has, or that its text resolves to."""
    if event.tag not in (None, "!"):
        return str(event.tag)
    if event.implicit[0]:
        for tag, pattern in Loader.yaml_implicit_resolvers.get(event.value[:1], ()):
            if pattern.match(event.value):
                return str(tag)
    return "tag:yaml.org,2002:str"
