"""The metrics of all workers as one page of Prometheus text."""

import mmap
from collections.abc import Iterable, Iterator
from itertools import accumulate, repeat
from pathlib import Path

from prometheus_client import CollectorRegistry, Metric, generate_latest
from prometheus_client.registry import Collector

from outrider.metrics import DROPPED, Series, index_path, replay

_DROPPED = Series("counter", "outrider_series_dropped_total", "Requests for a new series that found no slot.")
Values = list[float]


def exposition(paths: Iterable[Path]) -> bytes:
    """The sums over the slot files of all workers, in Prometheus' text format 0.0.4.

    Files that are missing or only half made count as nothing.
    """
    totals: dict[Series, Values] = {_DROPPED: [0.0]}
    for path in paths:
        for series, values in _stored(path):
            so_far = totals.get(series, repeat(0.0))
            totals[series] = [before + more for before, more in zip(so_far, values, strict=False)]
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Page(totals))
    return generate_latest(registry)


def _stored(path: Path) -> Iterator[tuple[Series, Values]]:
    try:
        places = replay(index_path(path).read_bytes())
        with (
            path.open("rb") as file,
            mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as memory,
            memoryview(memory) as octets,
            octets.cast("d") as slots,
        ):
            yield _DROPPED, [slots[DROPPED]]
            for series, first in places.items():
                yield series, list(slots[first : first + series.size])
    except (FileNotFoundError, ValueError):  # ValueError: nothing can be mapped of an empty file
        return


class _Page(Collector):
    """Hands the sums to prometheus_client, which knows the format."""

    def __init__(self, totals: dict[Series, Values]) -> None:
        self._totals = totals

    def collect(self) -> Iterator[Metric]:
        families: dict[str, Metric] = {}
        # A plugin edited while it ran may have redefined its metric: the last definition holds.
        definitions = {series.name: series.definition for series in self._totals}
        for series, values in self._totals.items():
            if series.definition != definitions[series.name]:
                continue
            name = series.name.removesuffix("_total") if series.kind == "counter" else series.name
            family = families.setdefault(name, Metric(name, series.help, series.kind))
            _add_samples(family, series, values)
        return iter(families.values())


def _add_samples(family: Metric, series: Series, values: Values) -> None:
    labels = dict(series.labels)
    if series.kind != "histogram":
        family.add_sample(series.name, labels, values[0])
        return
    total, *counts = values
    # The count comes from the buckets, so that both agree even where an observation was cut short by a kill.
    cumulative = list(accumulate(counts))
    for bound, count in zip((*series.buckets, float("inf")), cumulative, strict=True):
        family.add_sample(f"{series.name}_bucket", {**labels, "le": _le(bound)}, count)
    family.add_sample(f"{series.name}_count", labels, cumulative[-1])
    family.add_sample(f"{series.name}_sum", labels, total)


def _le(bound: float) -> str:
    return "+Inf" if bound == float("inf") else repr(bound)
