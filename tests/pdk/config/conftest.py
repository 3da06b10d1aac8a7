"""Plugins for the configuration's tests, and a way to load a text as a file."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Literal

import pytest
from pydantic import Field, SecretStr, field_validator
from pydantic.dataclasses import dataclass

from outrider import Plugin, Request, Response
from outrider.auth import Auth, Outcome
from outrider.config import Configuration, load
from outrider.fields import FilePath, HeaderName

Load = Callable[..., Configuration]


@dataclass(kw_only=True)
class Window:
    """A nested part of a configuration."""

    limit: Annotated[int, Field(ge=1)]
    """How many."""
    seconds: int = 60


class Greet(Plugin):
    """Has a field of every kind that the tests need."""

    header: HeaderName = "x-greeting"
    """The header that carries the greeting."""
    times: Annotated[int, Field(ge=1, le=9)] = 1
    mode: Literal["loud", "quiet"] = "quiet"
    password: SecretStr | None = None
    phrase: SecretStr | None = None
    by: str | list[str] = "name"
    forms: Sequence[str] = ()
    windows: list[Window] = Field(default_factory=list[Window])
    folder: FilePath | None = None
    odd: int = 1

    @field_validator("odd")
    @classmethod
    def _odd(cls, value: int) -> int:
        if value == 13:
            raise KeyError("thirteen")
        if value % 2 == 0:
            raise ValueError(f"{value} is even: write an odd number")
        return value

    def on_request(self, request: Request) -> Response | None:
        request.headers[self.header] = "hello"
        return None


class Need(Plugin):
    """Has a field that must be given."""

    size: int
    """How much of it. More is better."""

    def on_request(self, request: Request) -> Response | None: ...


class Gate(Auth):
    """Authenticates."""

    def authenticate(self, request: Request) -> Outcome: ...

    def challenge(self) -> str:
        return "Gate"

    def hide_credential(self, request: Request) -> None: ...


@pytest.fixture
def plugins() -> Mapping[str, type[Plugin]]:
    return {"greet": Greet, "need": Need, "gate": Gate}


@pytest.fixture
def load_text(tmp_path: Path, plugins: Mapping[str, type[Plugin]]) -> Load:
    """Loads a text that stands in a file of its own folder."""

    def load_it(text: str, environ: Mapping[str, str] | None = None) -> Configuration:
        path = tmp_path / "outrider.yaml"
        path.write_text(text)
        return load(path, plugins, environ=environ or {})

    return load_it
