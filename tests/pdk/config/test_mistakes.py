"""Every data file in mistakes/ begins with the exact output that it must give."""

from collections.abc import Mapping
from pathlib import Path

import pytest

from outrider import Plugin
from outrider.config import ConfigError, load

FILES = sorted((Path(__file__).parent / "mistakes").glob("*.yml"))
EXPECT = "# expect: "


def expected(path: Path) -> list[str]:
    lines = path.read_text(encoding="utf-8").splitlines()
    told = [line.removeprefix(EXPECT) for line in lines if line.startswith(EXPECT)]
    return [f"{path}:{line.replace('OUT/', f'{path.resolve().parent}/')}" for line in told]


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_a_mistake_is_told_with_its_line_and_its_remedy(path: Path, plugins: Mapping[str, type[Plugin]]) -> None:
    with pytest.raises(ConfigError) as caught:
        load(path, plugins, environ={"EMPTY": "", "SECRET": "hunter2", "BAD": "a\nb"})
    assert str(caught.value).splitlines() == expected(path)


def test_there_are_many_of_them() -> None:
    assert len(FILES) >= 150
