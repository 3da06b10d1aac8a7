"""Types for plugin fields that depend on the file they stand in."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, cast

from pydantic import AfterValidator, ValidationInfo

from outrider.headers import header_name


def _context(info: ValidationInfo) -> Mapping[str, object]:
    return cast("Mapping[str, object]", info.context or {})


def resolve(path: str | Path, info: ValidationInfo) -> Path:
    """For validators: a path relative to the file that is being validated."""
    return Path(cast("Path", _context(info).get("directory", Path()))) / path


def _known_consumer(name: str, info: ValidationInfo) -> str:
    known = cast("frozenset[str] | None", _context(info).get("consumers"))
    if known is not None and name not in known:
        raise ValueError(f"no consumer is called {name!r}: add one to `consumers`")
    return name


def _header(name: str) -> str:
    return header_name(name)


FilePath = Annotated[Path, AfterValidator(resolve)]
"""A path relative to the file that names it."""

ConsumerName = Annotated[str, AfterValidator(_known_consumer)]
"""The username or id of a consumer that the file has."""

HeaderName = Annotated[str, AfterValidator(_header)]
"""A header that a plugin may set; kept in lower case."""
