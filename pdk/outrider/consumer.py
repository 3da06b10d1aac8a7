"""Who sends a request: consumers, as Kong means them, and what authentication found out."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, TypeVar, cast

from pydantic import SecretStr

from outrider.headers import Headers

_NOTHING: Mapping[str, Any] = MappingProxyType({})

T = TypeVar("T")
JSON = Any
"""Plain JSON data: None, bool, int, float, str, and lists and string-keyed dicts of these."""


@dataclass(frozen=True, slots=True)
class Consumer:
    """Somebody whom the configuration knows."""

    id: str
    username: str | None = None
    custom_id: str | None = None
    groups: tuple[str, ...] = ()
    """Consumer groups, which plugins can be scoped to."""
    acls: tuple[str, ...] = ()
    """Groups that the plugin acl allows or denies."""
    tags: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """What people call it: the username, else the custom_id, else the id."""
        return self.username or self.custom_id or self.id

    def headers(self) -> dict[str, str]:
        """What upstream is told of the consumer."""
        told = {"id": self.id, "username": self.username, "custom-id": self.custom_id}
        return {f"x-consumer-{name}": value for name, value in told.items() if value is not None}


@dataclass(frozen=True, slots=True)
class Credential:
    """One of a consumer's credentials: a row of `keyauth_credentials`, `jwt_secrets` and the like."""

    consumer: Consumer
    id: str
    fields: Mapping[str, JSON] = field(repr=False)
    """The row's fields by name. A secret one is a `SecretStr`, so that nothing shows it by accident."""

    def secret(self, name: str) -> str:
        """The secret in one of `fields`: `key`, `secret`, `password`. Raises `KeyError` if the row has none."""
        secret: SecretStr = self.fields[name]
        return secret.get_secret_value()


@dataclass(frozen=True, slots=True, init=False)
class Identity:
    """What a credential proved. Without a consumer it is a good credential of somebody the file does not list."""

    credential: str
    """An identifier of the credential that is no secret: an id, a token's subject."""
    consumer: Consumer | None
    claims: Mapping[str, JSON] = field(repr=False)
    headers: Mapping[str, str] = field(repr=False)
    """Headers for upstream that carry facts of the identity; their names are declared in `Needs`."""
    _told: Headers | None = field(repr=False, compare=False)

    def __init__(
        self,
        credential: str,
        consumer: Consumer | None = None,
        claims: Mapping[str, JSON] = _NOTHING,
        headers: Mapping[str, str] = _NOTHING,
    ) -> None:
        # One is made for many requests, and what a frozen dataclass does by itself takes three times as long.
        _set_credential(self, credential)
        _set_consumer(self, consumer)
        _set_claims(self, claims)
        _set_headers(self, headers)
        _set_told(self, None)

    def told(self) -> Headers:
        """All that upstream is told, made once: who keeps an identity for many requests has it checked only once.

        Raises `HeaderError` for text that can't stand in a header.
        """
        if self._told is not None:
            return self._told
        told = Headers({"x-credential-identifier": self.credential})
        if self.consumer is not None:
            told.update(self.consumer.headers())
        told.update(self.headers)
        object.__setattr__(self, "_told", told)
        return told


_set_credential, _set_consumer, _set_claims, _set_headers, _set_told = (
    cast("Callable[[Identity, object], None]", vars(Identity)[name].__set__) for name in Identity.__slots__
)


class Consumers:
    """The consumers of the configuration, found by name in constant time."""

    def __init__(
        self, consumers: Iterable[Consumer] = (), credentials: Mapping[str, Iterable[Credential]] | None = None
    ) -> None:
        everybody = tuple(consumers)
        self._by_username = {one.username: one for one in everybody if one.username}
        self._by_custom_id = {one.custom_id: one for one in everybody if one.custom_id}
        self._by_id = {one.id: one for one in everybody}
        self._credentials = {kind: tuple(rows) for kind, rows in (credentials or {}).items()}
        self._found: dict[Callable[[Consumers], object], object] = {}

    def __iter__(self) -> Iterator[Consumer]:
        return iter(self._by_id.values())

    def find(self, name: str) -> Consumer | None:
        """The consumer of that username, or else of that custom_id."""
        return self._by_username.get(name) or self._by_custom_id.get(name)

    def named(self, name: str) -> Consumer | None:
        """The consumer of that username or id, as `anonymous` fields refer to one."""
        return self._by_username.get(name) or self._by_id.get(name)

    def credentials(self, kind: str) -> tuple[Credential, ...]:
        """All credentials of a kind, for instance `keyauth_credentials`."""
        return self._credentials.get(kind, ())

    def once(self, find: Callable[["Consumers"], T]) -> T:
        """What `find`, a function of a module, finds out about all of them; found once for all plugins that ask.

        A plugin on each of many routes would go through all consumers as often. Raises the `ValueError` of `find`.
        """
        if find not in self._found:
            try:
                self._found[find] = find(self)
            except ValueError as error:
                self._found[find] = error
        found = self._found[find]
        if isinstance(found, ValueError):
            raise ValueError(*found.args)
        return cast("T", found)
