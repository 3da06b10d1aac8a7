"""Types for plugin fields that depend on the file they stand in."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, cast

from pydantic import AfterValidator, Field, ValidationInfo

from outrider.headers import header_name

_PEM = "-----BEGIN CERTIFICATE-----"


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


def _known_authorities(names: tuple[str, ...], info: ValidationInfo) -> tuple[str, ...]:
    context = _context(info)
    known = cast("Mapping[str, str]", context.get("authorities", {}))
    for name in names:
        if name not in known and not name.startswith(_PEM):
            among = f"choose from {', '.join(known)}" if known else "add it there"
            raise ValueError(f"{name!r} is none of the ca_certificates: {among}")
    usual = cast("tuple[str, ...]", context.get("client_authorities", ()))
    return tuple(known.get(name, name) for name in names) or usual


def _header(name: str) -> str:
    return header_name(name)


FilePath = Annotated[Path, AfterValidator(resolve)]
"""A path relative to the file that names it."""

ConsumerName = Annotated[str, AfterValidator(_known_consumer)]
"""The username or id of a consumer that the file has."""

CaCertificates = Annotated[tuple[str, ...], AfterValidator(_known_authorities), Field(validate_default=True)]
"""Ids of the file's `ca_certificates`, or such certificates themselves as PEM, which they all are once validated.

Where there are none they are those of `gateway.tls.client_authorities`.
"""

HeaderName = Annotated[str, AfterValidator(_header)]
"""A header that a plugin may set; kept in lower case."""
