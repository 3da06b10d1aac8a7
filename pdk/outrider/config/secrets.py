"""Secrets that stand outside the file: {vault://env/NAME} and {vault://file/PATH}."""

import os
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from pathlib import Path
from typing import Any, cast

from outrider.config.document import REFERENCE, Document
from outrider.config.mistake import Mistake, shown
from outrider.config.where import Place

MAX_BYTES = 64 * 1024
_REFERENCE = re.compile(r"\{vault://([^{}]*)(\}?)")
_FORMS = "write {vault://env/NAME} or {vault://file/PATH}"
_LONG = 4
_HOLDERS = {
    ("plugins", "config"),
    ("consumers", "keyauth_credentials"),
    ("consumers", "jwt_secrets"),
    ("consumers", "basicauth_credentials"),
    ("rate_limit_service", "storage"),
    ("certificates", "cert"),
    ("certificates", "key"),
    ("certificates", "cert_alt"),
    ("certificates", "key_alt"),
    ("ca_certificates", "cert"),
}
"""What may hold a reference: all else is shown in rendered files, in logs and to upstream."""
_SHOWN = {"id", "tags"}
"""What is shown of a credential."""


class _UnresolvedError(Exception):
    def __init__(self, what: str, remedy: str) -> None:
        self.what, self.remedy = what, remedy


@dataclass(slots=True)
class Secrets:
    """A document's data with the secrets put in. What could not be found is left as it was."""

    document: Document
    environ: Mapping[str, str] = field(default_factory=lambda: os.environ, repr=False)
    data: Any = field(init=False, repr=False)
    missing: dict[Place, Mistake] = field(init=False, default_factory=dict[Place, Mistake])
    _values: set[str] = field(init=False, default_factory=set[str], repr=False)

    def __post_init__(self) -> None:
        data = self.document.data
        self.data = self._resolve(data, ()) if self.document.may_refer else data

    @property
    def mistakes(self) -> list[Mistake]:
        """What is wrong with references."""
        return list(self.missing.values())

    def leave(self, place: Place) -> None:
        """References in what stands at a place are somebody else's to resolve."""
        for found in [found for found in self.missing if found[: len(place)] == place]:
            del self.missing[found]

    def hide(self, text: str) -> str:
        """The text without any of the secrets, for messages that other people's code wrote."""
        for value in sorted(self._values, key=len, reverse=True):
            # A short one stands in many words, and to take it out of these would tell it.
            pattern = re.escape(value) if len(value) >= _LONG else rf"(?<!\w){re.escape(value)}(?!\w)"
            text = re.sub(pattern, "(secret)", text)
        return text

    def public(self, mistake: Mistake) -> Mistake:
        """The mistake in one line and without any of the secrets, whatever wrote its words."""
        what, remedy = (" ".join(self.hide(text).splitlines()) for text in (mistake.what, mistake.remedy))
        return replace(mistake, what=what, remedy=remedy)

    def _resolve(self, value: Any, place: Place) -> Any:
        if isinstance(value, dict):
            fields = cast("dict[str, Any]", value)
            return {key: self._resolve(item, (*place, key)) for key, item in fields.items()}
        if isinstance(value, list):
            items = cast("Sequence[Any]", value)
            return [self._resolve(item, (*place, index)) for index, item in enumerate(items)]
        return self._text(value, place) if isinstance(value, str) and REFERENCE in value else value

    def _text(self, text: str, place: Place) -> str:
        try:
            _check_place(text, place)
            return _REFERENCE.sub(lambda match: self._secret(match[1], closed=bool(match[2])), text)
        except _UnresolvedError as error:
            self.missing[place] = self.document.mistake(place, error.what, error.remedy)
            return text

    def _secret(self, reference: str, *, closed: bool) -> str:
        kind, _, name = reference.partition("/")
        if kind == "env" and name and closed:
            value = _from_environment(name, self.environ)
        elif kind == "file" and name and closed:
            value = _from_file(name, self.document.directory)
        else:
            whole = f"{REFERENCE}{reference}{'}' * closed}"
            raise _UnresolvedError(f"{shown(whole)} is no reference that Outrider knows", _FORMS)
        self._values.update(_spellings(value))
        return value


def _check_place(text: str, place: Place) -> None:
    keys = [step for step in place if isinstance(step, str)]
    match = _REFERENCE.search(text)
    is_shown = keys[:1] == ["consumers"] and not _SHOWN.isdisjoint(keys[2:3])
    if match and (is_shown or _HOLDERS.isdisjoint(pairwise(keys))):
        what = f"{shown(match[0])} can't stand here, where the secret would be shown"
        remedy = "write the value itself; only a plugin's config, credentials and certificates hold secrets"
        raise _UnresolvedError(what, remedy)


def _spellings(value: str) -> Iterator[str]:
    yield value
    yield shown(value, limit=8 * MAX_BYTES)[1:-1]
    yield repr(value)[1:-1]


def _from_environment(name: str, environ: Mapping[str, str]) -> str:
    value = environ.get(name)
    if value is None:
        raise _UnresolvedError(f"the environment has no {shown(name)}", "set the variable before the start")
    if not value:
        raise _UnresolvedError(f"{shown(name)} is empty in the environment", "give the variable its secret")
    return value


def _quoted(path: Path) -> str:
    return shown(str(path), limit=1000)


def _from_file(name: str, directory: Path) -> str:
    path = directory / name
    if "\0" in name or not path.is_file():
        raise _UnresolvedError(f"there is no file {_quoted(path)}", "create it, or mend the path")
    try:
        with path.open("rb") as stream:
            raw = stream.read(MAX_BYTES + 1)
        text = raw.decode().removesuffix("\n").removesuffix("\r")
    except (OSError, UnicodeDecodeError):
        raise _UnresolvedError(f"{_quoted(path)} can't be read as text", "make it a readable UTF-8 file") from None
    if len(raw) > MAX_BYTES:
        raise _UnresolvedError(f"{_quoted(path)} is larger than 64 KiB", "put nothing but the secret into it")
    if not text:
        raise _UnresolvedError(f"{_quoted(path)} is empty", "put the secret into it")
    return text
