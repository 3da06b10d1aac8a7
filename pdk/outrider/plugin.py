"""The plugin contract: fields are the configuration, overridden hooks are the phases."""

import re
from collections.abc import Awaitable
from copy import copy
from functools import partial
from typing import Any, ClassVar, Literal, dataclass_transform
from weakref import WeakSet

from pydantic import ConfigDict, Field
from pydantic.dataclasses import dataclass as validated

from outrider.consumer import Consumers
from outrider.errors import PluginError
from outrider.log_record import LogRecord
from outrider.needs import HOOKS, Hook, Needs
from outrider.plugin_class import check_class
from outrider.request import Request
from outrider.response import Response
from outrider.runtime import Runtime

Reply = Response | None
BodyReply = bytes | Response | None

_ABSTRACT: WeakSet[type] = WeakSet()
_CONFIG = ConfigDict(
    extra="forbid",
    arbitrary_types_allowed=True,
    use_attribute_docstrings=True,
    validate_default=True,
    hide_input_in_errors=True,  # it may be a secret
)


@dataclass_transform(kw_only_default=True, field_specifiers=(Field,))
class _Fields:
    """Makes every subclass a keyword-only dataclass whose fields pydantic validates once, when it is built."""

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        for name, value in list(vars(cls).items()):
            if isinstance(value, (list, dict, set)) and name in cls.__annotations__:
                # A dataclass refuses such a default, which would be one object for all instances.
                setattr(cls, name, Field(default_factory=partial(copy, value)))
        validated(cls, config=_CONFIG, kw_only=True, eq=False, repr=False)


class Plugin(_Fields):
    """One thing to do with requests or responses, in Python.

    Subclass it, annotate the fields that people may configure, and override the hooks to act in:

        class Teapot(Plugin):
            def on_request(self, request: Request) -> Response | None:
                if request.normal_path == "/coffee":
                    return Response(418, body=b"short and stout")
                return None

    A hook is a `def`, or an `async def` if it waits for something. Returning a `Response` answers in place of
    upstream; returning `None` goes on. An exception refuses the request with 500. A class that breaks the
    contract (a misspelt hook, a field named like one, no hook at all) raises `PluginError` when it is made.
    Classes that only share code are made with `abstract=True`.
    """

    priority: ClassVar[int] = 100
    """Plugins with a higher priority run first on requests, and last on responses."""

    rare_hooks: ClassVar[frozenset[Hook]] = frozenset()
    """Hooks that only few configurations need. Kong knows the phases of a plugin that stands by itself by its class:
    it gets these in a chain alone."""

    # With Field, since a docstring below a field does not reach the subclasses that inherit it.
    on_error: Literal["deny", "continue"] = Field(
        default="deny",
        description="What a failure of this plugin does: refuse the request, or let it on without the plugin.",
    )
    timeout: int = Field(
        default=1000, ge=1, le=600_000, description="How long one hook may take, in milliseconds; 503 after that."
    )

    def __init_subclass__(cls, *, abstract: bool = False, **kwargs: Any) -> None:
        check_class(cls, Plugin, abstract=abstract)
        if abstract:
            _ABSTRACT.add(cls)
        super().__init_subclass__(**kwargs)

    def needs(self) -> Needs:
        """What this instance needs of the gateway. Override to narrow it, or to name reply and identity headers."""
        return Needs()

    def check(self, consumers: Consumers, /) -> None:
        """Runs when the file is read, for mistakes that only show beside the consumers; raise `ValueError` for one.

        No I/O: `outrider check` runs it too.
        """

    async def start(self, runtime: Runtime, /) -> None:
        """Runs once in each worker before the first request. Raise `StartError` if the plugin can't work."""

    async def stop(self) -> None:
        """Runs once in each worker after the last request."""

    def on_request(self, request: Request, /) -> Reply | Awaitable[Reply]:
        """Sees the request's headers; a `Response` answers it, `None` lets it on."""

    def on_request_body(self, request: Request, body: bytes, /) -> BodyReply | Awaitable[BodyReply]:
        """Sees the whole body (`b""` if there is none); returned bytes replace it, a `Response` answers."""

    def on_request_chunk(self, request: Request, chunk: bytes, last: bool, /) -> bytes | Awaitable[bytes]:
        """Sees the body piece by piece as it passes; what it returns goes on in place of the chunk.

        Runs after the headers have gone on. `last` is True exactly once, with `b""` if the end came by itself, also
        where there is no body. Raise `AbortError` to end the stream.
        """
        return chunk

    def on_response(self, request: Request, response: Response, /) -> Reply | Awaitable[Reply]:
        """Sees the response's headers; a `Response` takes its place."""

    def on_response_body(
        self, request: Request, response: Response, body: bytes, /
    ) -> BodyReply | Awaitable[BodyReply]:
        """Sees the response's whole body; returned bytes replace it, a `Response` takes the whole place."""

    def on_response_chunk(
        self, request: Request, response: Response, chunk: bytes, last: bool, /
    ) -> bytes | Awaitable[bytes]:
        """Sees the response's body piece by piece as it passes; as `on_request_chunk`."""
        return chunk

    def on_log(self, request: Request, log: LogRecord, /) -> None:
        """Runs once when the request has ended, however it ended; can change nothing."""

    @classmethod
    def overridden(cls) -> frozenset[Hook]:
        """The hooks that this class has of its own."""
        return frozenset(hook for hook in HOOKS if getattr(cls, hook) is not getattr(Plugin, hook))

    def hooks(self) -> frozenset[Hook]:
        """The hooks that run for this instance."""
        own, narrowed = self.overridden(), self.needs().hooks
        if narrowed is None:
            return own
        if strange := narrowed - own:
            raise PluginError(f"Needs.hooks has {sorted(strange)}, which {type(self).__qualname__} does not override")
        return narrowed


def is_abstract(cls: type[Plugin]) -> bool:
    """Whether a class only shares code (`abstract=True`): no configuration can name it."""
    return cls in _ABSTRACT


def plugin_name(cls: type[Plugin]) -> str:
    """The name of a plugin that comes as a plain file: its class name in kebab-case (AddHeader: add-header)."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "-", cls.__name__).lower()
