"""Which files an Envoy has while a change is taken over, or is not."""

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from outrider.errors import StartError
from outrider_cli.envoy import Envoy
from outrider_cli.folder import Folder, Shift
from outrider_cli.published import Published
from outrider_cli.rendered import Rendered

NAMES = ("clusters.json", "listeners.json", "routes.json")


class Says(Envoy):
    """An Envoy that refuses one of the files, and remembers what it was given."""

    def __init__(self, folder: Folder, refused: str = "") -> None:
        self._seen = folder
        self._refused = refused
        self.given: list[tuple[str, Any]] = []

    async def refusals(self, file: Rendered) -> int:
        return 0

    async def takes(self, file: Rendered, refusals: int = 0) -> None:
        self.given.append((file.name, read(self._seen.envoy / file.name)))
        if file.name == self._refused:
            raise StartError("no")


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    found = Folder(tmp_path)
    for inner in (found.envoy, found.shift(0).envoy, found.shift(1).envoy):
        inner.mkdir()
    return found


def read(path: Path) -> list[str]:
    return [one["name"] for one in json.loads(path.read_text())["resources"]]


def written(shift: Shift, **resources: list[str]) -> list[Rendered]:
    """A shift's files with resources of these names."""
    found: list[Rendered] = []
    for name in NAMES:
        names = resources.get(name.partition(".")[0], ["same"])
        document: dict[str, Any] = {"version_info": "-".join(names), "resources": [{"name": one} for one in names]}
        (shift.envoy / name).write_text(json.dumps(document))
        found.append(Rendered(name, f"stats.{name}", document["version_info"]))
    return found


def has(folder: Folder) -> list[list[str]]:
    return [read(folder.envoy / name) for name in NAMES]


def begun(folder: Folder) -> Published:
    published = Published(folder)
    published.begin(folder.shift(0), written(folder.shift(0), clusters=["old", "kept"], routes=["old"]))
    return published


def test_old_clusters_stay_as_long_as_a_request_may_look_for_them(folder: Folder) -> None:
    published, envoy = begun(folder), Says(folder)
    files = written(folder.shift(1), clusters=["new", "kept"], routes=["new"])
    asyncio.run(published.replace(envoy, folder.shift(1), files))
    assert envoy.given == [("clusters.json", ["new", "kept", "old"]), ("routes.json", ["new"])]
    files = written(folder.shift(0), clusters=["newer"], routes=["newer"])
    asyncio.run(published.replace(envoy, folder.shift(0), files))
    assert has(folder) == [["newer", "new", "kept"], ["same"], ["newer"]]


@pytest.mark.parametrize("refused", NAMES)
def test_what_envoy_refuses_is_taken_back_with_all_that_came_before_it(folder: Folder, refused: str) -> None:
    published = begun(folder)
    before = has(folder)
    files = written(folder.shift(1), clusters=["new"], listeners=["new"], routes=["new"])
    with pytest.raises(StartError):
        asyncio.run(published.replace(Says(folder, refused), folder.shift(1), files))
    assert has(folder) == before
    envoy = Says(folder)
    asyncio.run(published.replace(envoy, folder.shift(1), files))
    assert [name for name, _ in envoy.given] == list(NAMES)


def test_a_file_that_is_the_same_is_not_given_again(folder: Folder) -> None:
    published, envoy = begun(folder), Says(folder)
    files = written(folder.shift(1), clusters=["old", "kept"], routes=["old"])
    asyncio.run(published.replace(envoy, folder.shift(1), files))
    assert [name for name, _ in envoy.given] == ["clusters.json"]
