"""What the transforms do to bodies: to JSON, to forms, or another body in the place of any."""

import re
from collections.abc import Callable
from functools import partial
from typing import Final, NamedTuple

from outrider import Headers
from outrider.consumer import JSON
from outrider.needs import Fact
from outrider_plugins.json_body import write_json
from outrider_plugins.references import Seen
from outrider_plugins.transforms.codings import CHARSETS, CODINGS, UNPACKED, TooLargeError, pack, unpack
from outrider_plugins.transforms.forms import NO_FORM_CHANGES, FormChanges
from outrider_plugins.transforms.json_changes import JsonChanges
from outrider_plugins.transforms.json_values import compile_json
from outrider_plugins.transforms.media import Media, media_of

LARGEST: Final = 1024 * 1024
"""How large a body may be where nothing else is configured, in bytes when it is unpacked."""
_QUICK = 64 * 1024  # bytes; a larger one would keep other requests waiting
_LENGTH = re.compile(r"[0-9]{1,19}")  # RFC 9110, section 8.6
_ABOUT_OLD_BYTES = ("content-digest", "content-md5", "digest", "repr-digest", "accept-ranges", "etag")


class Unreadable(NamedTuple):
    """Why a body can't be changed, in words for downstream, and the status of a request's refusal."""

    status: int
    why: str


TOO_LARGE: Final = Unreadable(413, "The body is too large")
UNKNOWN_CODING: Final = Unreadable(415, "The body's content-encoding or charset is not supported")
NO_JSON: Final = Unreadable(400, "The body is no JSON that can be read in one way only")
NO_FORM: Final = Unreadable(400, "The body is no form that can be read")
PART: Final = Unreadable(400, "It is a part of one")

Change = Callable[[bytes, str], bytes | None]
"""Another text for one in a charset, None if it stays the same. Raises `ValueError` for what can't be read."""
Changed = bytes | Unreadable | None
"""A new body, why there is none, or None where the old one stays as it is."""


class Job(NamedTuple):
    """The change of one body. It touches nothing, so that a thread may run it, as one should that is not `quick`."""

    run: Callable[[], Changed]
    is_quick: bool


class Bodies:
    """The changes of bodies that one instance makes: `whole` is a template of JSON, `largest` in bytes, unpacked."""

    def __init__(
        self,
        json: JsonChanges,
        form: FormChanges = NO_FORM_CHANGES,
        whole: JSON = None,
        *,
        largest: int = LARGEST,
        on_response: bool = False,
    ) -> None:
        self._json, self._form = json, form
        self._whole = None if whole is None else compile_json(whole, on_response=on_response)
        self._kinds = {"either", *(["json"] if json else []), *(["form"] if form else [])}
        self._largest = largest

    def __bool__(self) -> bool:
        return bool(self._json or self._form or self._whole)

    @property
    def are_ambiguous(self) -> bool:
        """Whether there is another body, and changes that would be lost with the old one."""
        return self._whole is not None and bool(self._json or self._form)

    @property
    def facts(self) -> frozenset[Fact]:
        """The facts of the request that it needs."""
        whole = self._whole.facts if self._whole else frozenset[Fact]()
        return self._json.facts | self._form.values.facts | whole

    def concerns(self, headers: Headers) -> bool | Unreadable:
        """Whether the body is one to change, as far as its headers tell; or why it can't be."""
        if self._whole is not None:
            return True
        media = self._media(headers)
        if media is None:
            return False
        if media.coding not in CODINGS or media.charset not in CHARSETS:
            return UNKNOWN_CODING
        declared = headers.get("content-length", "")
        return TOO_LARGE if _LENGTH.fullmatch(declared) and int(declared) > self._largest else True

    def job(self, headers: Headers, body: bytes, seen: Seen) -> Job:
        """What is to do about a body that it concerns, with the values of this message as it is now."""
        if self._whole is not None:
            new = write_json(self._whole.build(seen))
            return Job(lambda: new, is_quick=True)
        media = self._media(headers)
        if media is None or not body:
            return Job(lambda: None, is_quick=True)
        change = self._json.filled(seen) if media.kind == "json" else self._form.filled(seen)
        is_quick = len(body) <= _QUICK and media.coding in UNPACKED
        return Job(partial(_changed, body, media, change, self._largest), is_quick)

    def describe(self, headers: Headers) -> None:
        """Puts right what headers say of a body that was changed; its length is the gateway's to tell."""
        for name in _ABOUT_OLD_BYTES:
            headers.discard(name)
        if self._whole is not None:
            headers["content-type"] = "application/json"
            headers.discard("content-encoding")

    def _media(self, headers: Headers) -> Media | None:
        media = media_of(headers)
        return media if media is not None and media.kind in self._kinds else None


def _changed(body: bytes, media: Media, change: Change, largest: int) -> Changed:
    try:
        new = change(unpack(body, media.coding, largest), media.charset)
    except TooLargeError:
        return TOO_LARGE
    except ValueError:
        return NO_JSON if media.kind == "json" else NO_FORM
    return None if new is None else pack(new, media.coding)
