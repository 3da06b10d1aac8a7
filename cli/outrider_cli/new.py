"""`outrider new`: a plugin package, ready to run, from the files in the folder `template`."""

import importlib.util
import keyword
import re
import sys
from collections.abc import Iterator
from importlib.metadata import entry_points
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path

from outrider.discovery import GROUP
from outrider.errors import OutriderError

_NAME = re.compile(r"[a-z][a-z0-9]+(-[a-z][a-z0-9]+)*")
_LONGEST = 40
_SUFFIX = ".txt"  # so that no tool takes a template for code


def create(name: str, parent: Path) -> Path:
    """Makes the folder of a new plugin, and gives its path. Raises `OutriderError` for a name that can't be one."""
    _check(name)
    folder = parent / name
    try:
        folder.mkdir()
        for path, text in _rendered(name):
            file = folder / path
            file.parent.mkdir(exist_ok=True)
            file.write_text(text, encoding="utf-8")
    except FileExistsError:
        raise OutriderError(f"{folder} is there already: choose another name, or remove it") from None
    except OSError as error:
        raise OutriderError(f"{folder} can't be written ({error.strerror}): go to a folder of your own") from None
    return folder


def class_name(name: str) -> str:
    """add-header: AddHeader."""
    return "".join(part.capitalize() for part in name.split("-"))


def module_name(name: str) -> str:
    """add-header: add_header."""
    return name.replace("-", "_")


def _check(name: str) -> None:
    module = module_name(name)
    if len(name) > _LONGEST or not _NAME.fullmatch(name):
        raise OutriderError(
            f"{name[:_LONGEST]!r} is no name for a plugin: write words of two or more small letters and digits, "
            "joined by -, as in add-header"
        )
    if name in entry_points(group=GROUP).names:
        raise OutriderError(f"a plugin {name!r} is installed already: choose another name")
    if keyword.iskeyword(module) or module in sys.stdlib_module_names or _is_importable(module):
        raise OutriderError(f"{name!r} would hide the Python module {module}: choose another name")


def _is_importable(module: str) -> bool:
    return module in ("tests", "test") or importlib.util.find_spec(module) is not None


def _rendered(name: str) -> Iterator[tuple[Path, str]]:
    """Each file of the new package, with the template's own names replaced."""
    names = {"my-plugin": name, "my_plugin": module_name(name), "MyPlugin": class_name(name)}
    for path, template in _templates(files("outrider_cli") / "template", Path()):
        text = template.read_text(encoding="utf-8")
        target = str(path).removesuffix(_SUFFIX)
        for theirs, ours in names.items():
            text, target = text.replace(theirs, ours), target.replace(theirs, ours)
        yield Path(target), text


def _templates(folder: Traversable, path: Path) -> Iterator[tuple[Path, Traversable]]:
    for entry in folder.iterdir():
        if entry.is_dir():
            yield from _templates(entry, path / entry.name)
        elif entry.name.endswith(_SUFFIX):
            yield path / entry.name, entry
