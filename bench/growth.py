"""Consumers and counters that grow: what one decision costs, inside a process of its own."""

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from four import LIMIT, Four
from gateways import file
from harness.outrider import plugin
from inside import Case, inside
from measuring import Effort, Row, counted, interleaved
from noops import plugin_files

CONSUMERS = (10, 1_000, 100_000, 1_000_000)
KEYS = (1, 100, 10_000, 100_000)


def consumers(effort: Effort) -> dict[str, Any]:
    """key-auth among ever more consumers."""
    sizes = CONSUMERS[:-1] if effort.quick else CONSUMERS
    return _measure(
        effort, [Named(counted(size, "consumer"), [plugin("key-auth")], consumers=size) for size in sizes]
    )


def keys(effort: Effort) -> dict[str, Any]:
    """rate-limit with ever more counters."""
    limit = plugin("rate-limit", limit=LIMIT, window=86_400, by="header:x-api-key")
    return _measure(effort, [Named(counted(size, "key"), [limit], keys=size) for size in KEYS])


def layers(effort: Effort) -> dict[str, Any]:
    """The chain of four and its parts: where the microseconds go."""
    with plugin_files(16) as folder:
        four = Four(folder)
        cases = [
            Named("a no-op plugin", [{"name": "noop1"}]),
            Named("sixteen no-op plugins", [{"name": f"noop{number}"} for number in range(1, 17)]),
            *(Named(f"{one['name']} alone", [one]) for one in four.plugins),
            Named("the four plugins", four.plugins),
            Named("a no-op plugin, with HTTP/2", [{"name": "noop1"}], framed=True),
            Named("the four plugins, with HTTP/2", four.plugins, framed=True),
        ]
        return _measure(effort, cases, four.headers, folder / "plugins")


@dataclass(frozen=True)
class Named:
    """A row's name, and what is measured."""

    name: str
    plugins: list[dict[str, Any]]
    consumers: int = 0
    keys: int = 0
    framed: bool = False


def _measure(
    effort: Effort, cases: list[Named], headers: dict[str, str] | None = None, plugins: Path | None = None
) -> dict[str, Any]:
    with ExitStack() as stack:
        folder = stack.enter_context(plugin_files(0))
        return interleaved(list(_rows(stack, folder, cases, headers or {}, plugins)), effort)


def _rows(
    stack: ExitStack, folder: Path, cases: list[Named], headers: dict[str, str], plugins: Path | None
) -> Iterator[Row]:
    for number, case in enumerate(cases):
        path = folder / f"{number}.yaml"
        config = file(1, *case.plugins, **({"plugin_dirs": [str(plugins)]} if plugins else {}))
        path.write_text(yaml.safe_dump({"_format_version": "3.0", **config}))
        running = stack.enter_context(inside(Case(str(path), headers, case.consumers, case.keys, case.framed)))
        yield Row(case.name, running.measure)
