"""Plugin instances: what Kong means by an id."""

import asyncio
import dataclasses
import json
import logging
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from contextlib import suppress
from functools import partial
from typing import Any, Final, NamedTuple, cast

from outrider.chain import Chain
from outrider.errors import OutriderError
from outrider.plugin import Plugin
from outrider_kong.capabilities import unseen
from outrider_kong.consumers import KongConsumers
from outrider_kong.crashes import Crashes, PoisonedError, event_mark
from outrider_kong.event import Event, Serving, refusal
from outrider_kong.from_lua import restored, without_nulls
from outrider_kong.names import CHAINS, PREFIX, phases_alone, phases_of
from outrider_kong.register import KEPT, Register

_log = logging.getLogger("outrider.kong")

Entries = Sequence[tuple[str, Mapping[str, Any]]]


class Made(NamedTuple):
    """A chain whose plugins were started, and what stops them."""

    chain: Chain
    stop: Callable[[], Awaitable[None]]


Make = Callable[[str, Entries], Awaitable[Made]]
"""Makes a chain of plugins by name and their fields. Raises `OutriderError`."""

_REFUSES: Final = 5.0  # seconds
_SHARED: Final = 1024
"""How many configurations that are not of the file are kept beyond those that instances use."""


UNFIT: Final = 0
"""The id of an instance for which there is no number."""


class Unfit:
    """An instance that can't serve: each of its requests is refused. Whether it can is seen anew after a while."""

    def __init__(self) -> None:
        self.until = time.monotonic() + _REFUSES

    def event(self, phase: str) -> Event:
        yield from ()
        return [refusal(over_response=phase == "response")] if phase != "log" else []


class Starting:
    """An instance that is being made, for all events that wait for it."""

    def __init__(self, work: Callable[[], Coroutine[Any, Any, Serving | Unfit]]) -> None:
        self._work = work
        self._task: asyncio.Future[Serving | Unfit] | None = None

    async def settle(self) -> None:
        if self._task is None:
            self._task = asyncio.ensure_future(self._work())
        # One event that is given up must not take the others' instance.
        await asyncio.shield(self._task)

    @property
    def served(self) -> Serving | Unfit:
        """What it became."""
        return self._task.result() if self._task is not None and self._task.done() else Unfit()


class Instances:
    """All instances of one worker, made when they are first needed.

    `chains` are those of the file by route, `classes` the plugins by name, and `make` makes chains of what Kong's own
    configuration says.
    """

    def __init__(
        self,
        chains: Mapping[str, Chain],
        classes: Mapping[str, type[Plugin]],
        make: Make,
        register: Register,
        crashes: Crashes,
    ) -> None:
        self._chains, self._classes, self._make = chains, classes, make
        self._register, self._crashes = register, crashes
        self._consumers = KongConsumers()
        self._served: OrderedDict[int, Serving | Unfit] = OrderedDict()
        self._starting: dict[int, Starting] = {}
        self._made: dict[str, asyncio.Future[Made]] = {}
        self._keys: dict[int, str] = {}

    def start(self, name: str, config: bytes) -> int:
        """A new instance's id."""
        # Kong does so after a crash, too.
        self._crashes.look()
        return self._register.add(name, config)

    def close(self, number: int) -> None:
        """Kong does not need the instance any more."""
        self._register.remove(number)
        self._served.pop(number, None)
        self._keys.pop(number, None)

    def find(self, number: int) -> Serving | Unfit | Starting | None:
        """What the id stands for; None if that is nothing here."""
        if number == UNFIT:
            return Unfit()
        served = self._served.get(number)
        if served is not None and not (isinstance(served, Unfit) and served.until < time.monotonic()):
            return served
        if number not in self._starting:
            found = self._register.find(number)
            if found is None:
                return None
            self._starting[number] = Starting(partial(self._start, number, *found))
        return self._starting[number]

    async def stop(self) -> None:
        """Stops the plugins that are not of the file."""
        for made in self._made.values():
            await _stopped(made)

    async def _start(self, number: int, name: str, config: bytes) -> Serving | Unfit:
        try:
            served: Serving | Unfit = await self._serving(number, name, config)
        except (OutriderError, ValueError, PoisonedError) as error:
            for line in str(error).splitlines():
                _log.error("%s: every request is refused: %s", name, line)
            served = Unfit()
        finally:
            self._starting.pop(number, None)
        self._served[number] = served
        if len(self._served) > KEPT:
            self._keys.pop(self._served.popitem(last=False)[0], None)
        return served

    async def _serving(self, number: int, name: str, config: bytes) -> Serving:
        fields = without_nulls(json.loads(config))
        phases = self._phases(name)
        if name in CHAINS and ("route" in fields) == bool(fields.get("plugins")):
            raise OutriderError("config has neither route nor plugins, or both: write one of them")
        if name in CHAINS and "route" in fields:
            return self._of_file(name, str(fields["route"]), phases)
        scope = str(fields.get("__plugin_id", name))
        entries = self._entries(name, {key: item for key, item in fields.items() if not key.startswith("__")})
        key = json.dumps([name, scope, entries], sort_keys=True)
        self._keys[number] = key
        made = await self._making(key, scope, entries)
        return self._fitting(name, made.chain, phases, f":{scope}", alone=True)

    async def _making(self, key: str, scope: str, entries: Entries) -> Made:
        """One chain for all instances of one configuration."""
        await self._make_room()
        try:
            # A plugin may end its worker when it starts, too.
            with self._crashes.during(event_mark("start", key)):
                if key not in self._made:
                    self._made[key] = asyncio.ensure_future(self._make(scope, entries))
                return await asyncio.shield(self._made[key])
        except BaseException:
            self._made.pop(key, None)
            raise

    async def _make_room(self) -> None:
        """Stops the oldest of what no instance uses any more, where there is too much of it."""
        if len(self._made) < _SHARED:
            return
        used = {key for number, key in self._keys.items() if self._register.find(number)}
        self._keys = {number: key for number, key in self._keys.items() if key in used}
        for key in [key for key in self._made if key not in used][:1]:
            await _stopped(self._made.pop(key))

    def _phases(self, name: str) -> frozenset[str]:
        if name in CHAINS:
            return frozenset(CHAINS[name])
        cls = self._classes.get(name.removeprefix(PREFIX))
        if cls is None or not name.startswith(PREFIX):
            raise OutriderError(f"no plugin is called {name!r}")
        return frozenset(phases_alone(cls))

    def _of_file(self, name: str, route: str, phases: frozenset[str]) -> Serving:
        if route not in self._chains:
            raise OutriderError(f"the file has no route {route!r}: render Kong's configuration from it again")
        return self._fitting(name, self._chains[route], phases, f":{name}:{route}")

    def _fitting(self, name: str, chain: Chain, phases: frozenset[str], key: str, *, alone: bool = False) -> Serving:
        if hooks := sorted({hook for step in chain.steps.values() for hook in unseen(step.plugin)}):
            remedy = "leave the plugin out, or run it behind Envoy"
            raise OutriderError(f"{name} needs {', '.join(hooks)}, and Kong shows no bodies piece by piece: {remedy}")
        if missing := set(phases_of(chain.hooks)).difference(phases):
            remedy = "render Kong's configuration from the file again, or use a chain that has it"
            raise OutriderError(f"{name} has no phase {', '.join(sorted(missing))}, which its plugins need: {remedy}")
        return Serving(chain, phases, self._crashes, self._consumers, key=key, alone=alone)

    def _entries(self, name: str, fields: Mapping[str, Any]) -> Entries:
        """The plugins that Kong's configuration names, with their fields."""
        if name not in CHAINS:
            plugin = name.removeprefix(PREFIX)
            cls = self._classes[plugin]
            known = {key: item for key, item in fields.items() if key not in _KONGS or key in fields_of(cls)}
            return [(plugin, restored(known, cls))]
        return [self._entry(one) for one in cast("Sequence[Mapping[str, Any]]", fields.get("plugins") or ())]

    def _entry(self, one: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
        named = without_nulls(one)
        if len(named) != 1:
            raise OutriderError(f"an item of plugins has {len(named)} plugins: give each an item of its own")
        ((plugin, fields),) = named.items()
        if plugin not in self._classes:
            raise OutriderError(f"no plugin is called {plugin!r}")
        return plugin, restored(cast("Mapping[str, Any]", fields), self._classes[plugin])


async def _stopped(made: "asyncio.Future[Made]") -> None:
    with suppress(asyncio.CancelledError, OutriderError):
        await (await made).stop()


def fields_of(cls: type[Plugin]) -> set[str]:
    """The names of a plugin's fields."""
    return {field.name for field in dataclasses.fields(cls)}


_KONGS: Final = frozenset({"route_id", "service_id", "consumer_id", "consumer_group_id"})
"""What Kong adds to the fields of a configuration."""
