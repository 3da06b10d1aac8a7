"""The class that kong-pdk makes instances of: a method for each phase, and nothing that can't be pickled."""

import json
from collections.abc import Iterable, Mapping
from typing import Any, ClassVar

from outrider_kong.pdk import driver
from outrider_kong.pdk.worker import Workers


class KongPlugin:
    """A plugin as kong-pdk knows it. The pool of its multiprocessing mode gets a copy for every event."""

    name: ClassVar[str]
    workers: ClassVar[Workers]

    def __init__(self, config: Mapping[str, Any]) -> None:
        self.config = json.dumps(config)


class _Phases(KongPlugin):
    """A method for each phase, under the phase's own name: the pool finds them by it."""

    def access(self, kong: Any) -> None:
        driver.run(kong, self.workers, self.name, self.config, "access")

    def response(self, kong: Any) -> None:
        driver.run(kong, self.workers, self.name, self.config, "response")

    def log(self, kong: Any) -> None:
        driver.run(kong, self.workers, self.name, self.config, "log")


def plugin_class(name: str, phases: Iterable[str], workers: Workers) -> type[KongPlugin]:
    """The class `Plugin` of the module `name`; kong-pdk reads the phases off its methods."""
    methods = {phase: vars(_Phases)[phase] for phase in phases}
    return type("Plugin", (KongPlugin,), {"__module__": name, "name": name, "workers": workers, **methods})
