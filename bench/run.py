"""`make bench`: measures, and writes docs/performance.md.

The raw figures go to docs/performance/figures.json, from which the page can be made again without a run. Named
tables replace only their own figures. A quick run proves that everything works, and writes to build/performance.
"""

import argparse
import json
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import bodies
import credentials
import downloads
import flood
import growth
import held
import host
import kong
import limiting
import phases
import routes
import shapes
import spread
import straight
import through
from generators import missing
from measuring import Effort
from page import write

ROOT = Path(__file__).parents[1]


@dataclass(frozen=True)
class Task:
    """How one table is measured: so many rounds, in each so many seconds for each of its rows."""

    measure: Callable[[Effort], dict[str, Any]]
    rounds: int
    seconds: float
    needs: tuple[str, ...] = ()


TASKS = {
    "through": Task(through.measure, 5, 2, ("wrk",)),
    "straight": Task(straight.measure, 5, 1, ("h2load",)),
    "layers": Task(growth.layers, 5, 0.5),
    "routes": Task(routes.measure, 3, 1, ("wrk",)),
    "consumers": Task(growth.consumers, 3, 0.5),
    "keys": Task(growth.keys, 3, 0.5),
    "credentials": Task(credentials.measure, 5, 0.5),
    "flood": Task(flood.measure, 5, 2, ("wrk",)),
    "shapes": Task(shapes.measure, 5, 0.5),
    "limits": Task(limiting.memory, 5, 0.5),
    "storages": Task(limiting.servers, 5, 1, ("redis-server",)),
    "bodies": Task(bodies.measure, 3, 1, ("wrk",)),
    "streams": Task(held.measure, 3, 1, ("h2load",)),
    "spread": Task(spread.measure, 3, 2, ("wrk",)),
    "phases": Task(phases.measure, 3, 1, ("wrk",)),
    "downloads": Task(downloads.measure, 3, 0),
    "kong": Task(kong.measure, 5, 2),
}


def main() -> None:
    options = _options()
    folder = options.folder or ROOT / ("build" if options.quick else "docs")
    file = folder / "performance" / "figures.json"
    file.parent.mkdir(parents=True, exist_ok=True)
    figures: dict[str, Any] = json.loads(file.read_text()) if file.exists() else {"tables": {}}
    if not options.page:
        for name in options.tables or TASKS:
            figures |= {"machine": host.machine(), "versions": host.versions()}
            figures["tables"][name] = _measured(name, quick=options.quick)
            file.write_text(json.dumps(figures, indent=1) + "\n")
    page = write(figures, folder)
    print(f"The page is {page}")


def _measured(name: str, *, quick: bool) -> dict[str, Any]:
    task = TASKS[name]
    if sentence := missing(*task.needs):
        print(f"{name}: {sentence}", file=sys.stderr)
        return {"missing": sentence}
    print(f"{name} ...", end=" ", flush=True)
    effort = Effort(1, min(task.seconds, 0.5), quick=True) if quick else Effort(task.rounds, task.seconds)
    began = time.monotonic()
    measured = task.measure(effort)
    print(f"{time.monotonic() - began:.0f} s")
    return measured | {"date": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"), "commit": host.commit()}


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("tables", nargs="*", metavar="TABLE", help=f"one of {', '.join(TASKS)}; all of them if none")
    parser.add_argument("--quick", action="store_true", help="one short round of everything, into build/performance")
    parser.add_argument("--page", action="store_true", help="measure nothing, only write the page again")
    parser.add_argument("--folder", type=Path, help="where page and figures are; docs, of a quick run build")
    options = parser.parse_args()
    if unknown := set(options.tables) - set(TASKS):
        parser.error(f"there is no table {', '.join(sorted(unknown))}: the tables are {', '.join(TASKS)}")
    return options


if __name__ == "__main__":
    main()
