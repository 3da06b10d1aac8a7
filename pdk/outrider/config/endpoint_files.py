"""The folder of endpoint files: targets of upstreams, written anew by others while the gateway runs."""

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from outrider.config.configuration import Configuration
from outrider.config.document import Document, parse, read_text
from outrider.config.entities import TargetEntry
from outrider.config.explain import explain
from outrider.config.mistake import ConfigError, Mistake, closest, shown
from outrider.config.secrets import Secrets
from outrider.config.shape import shape_of
from outrider.config.upstreams import Target, Upstream, target_of

MAX_FILES = 10_000
SUFFIXES = (".yaml", ".yml", ".json")
Targets = Mapping[str, tuple[Target, ...]]
"""Targets by the upstream's name."""


class EndpointFile(BaseModel):
    """One file of the folder `gateway.endpoints`."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    targets: Annotated[list[TargetEntry], Field(max_length=10_000)]
    """The targets, as in an upstream."""


def current_targets(configuration: Configuration) -> Targets:
    """The targets that every upstream has now: those of its endpoint file, else those of the configuration.

    Raises `ConfigError` with all that is wrong in the folder. Of a file that is being written under another name
    (one that begins with a dot, or ends in none of .yaml, .yml and .json) nothing is read.
    """
    targets = {upstream.name: upstream.targets for upstream in configuration.upstreams}
    folder = configuration.gateway.endpoints
    if folder is None:
        return targets
    mistakes: list[Mistake] = []
    upstreams = {upstream.name: upstream for upstream in configuration.upstreams}
    taken: dict[str, Path] = {}
    for path in _files(folder):
        try:
            upstream = _upstream(path, upstreams, taken)
            targets[upstream.name] = _targets(path, upstream)
        except ConfigError as error:
            mistakes.extend(error.mistakes)
    if mistakes:
        raise ConfigError(mistakes)
    return targets


def _files(folder: Path) -> Iterable[Path]:
    try:
        found = sorted(path for path in folder.iterdir() if path.suffix in SUFFIXES and _is_read(path))
    except OSError as error:
        raise _whole(folder, f"can't be read ({error.strerror})", "mend the folder") from None
    if len(found) > MAX_FILES:
        raise _whole(folder, f"holds more than {MAX_FILES} files", "remove those of no upstream")
    return found


def _is_read(path: Path) -> bool:
    return path.is_file() and not path.name.startswith(".")


def _upstream(path: Path, upstreams: Mapping[str, Upstream], taken: dict[str, Path]) -> Upstream:
    found = upstreams.get(path.stem.lower())
    if found is None:
        remedy = closest(path.stem, upstreams, "the upstreams are")
        raise _whole(path, f"{shown(path.stem)} is none of the upstreams", remedy)
    if taken.setdefault(found.name, path) != path:
        raise _whole(path, f"is for the upstream of {taken[found.name].name} too", "remove one of them")
    if any(not target.is_address for target in found.targets):
        what = f"the upstream {found.name} has names for targets, which the gateway looks up by itself"
        raise _whole(path, what, "remove this file, or those targets")
    return found


def _targets(path: Path, upstream: Upstream) -> tuple[Target, ...]:
    text = read_text(path)
    if not text.strip():
        raise _whole(path, "is empty", "write `targets: []` into it for no targets, or remove it")
    document = parse(text, str(path), path.parent)
    try:
        entry = EndpointFile.model_validate(document.data)
    except ValidationError as error:
        raise ConfigError(explain(error, (), shape_of(EndpointFile), Secrets(document, {}))) from None
    if mistakes := list(_unfit(entry, upstream, document)):
        raise ConfigError(mistakes)
    return tuple({str(target): target for target in map(target_of, entry.targets)}.values())


def _unfit(entry: EndpointFile, upstream: Upstream, document: Document) -> Iterator[Mistake]:
    for index, one in enumerate(entry.targets):
        if not target_of(one).is_address:
            what = f"{shown(one.target)} is a name, and the targets of a file are not looked up"
            remedy = "write its address, or list it in the upstream itself"
            yield document.mistake(("targets", index, "target"), what, remedy)
        if one.upstream not in (None, upstream.name):
            yield document.mistake(("targets", index, "upstream"), "is not the upstream of this file", "remove it")


def _whole(path: Path, what: str, remedy: str) -> ConfigError:
    return ConfigError([Mistake(str(path), 1, "file", what, remedy)])
