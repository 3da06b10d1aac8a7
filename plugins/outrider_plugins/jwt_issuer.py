"""Whose tokens jwt-auth believes: one of `issuers`, or a row of a consumer's `jwt_secrets`."""

import logging
from typing import Annotated, Any, Self, get_args

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    PlainValidator,
    PrivateAttr,
    ValidationInfo,
    WithJsonSchema,
    model_validator,
)

from outrider import Consumers, Credential
from outrider.fields import resolve
from outrider_plugins.jwks import (
    Asymmetric,
    KeySet,
    KeySource,
    Symmetric,
    is_short,
    parse_jwks,
    pem_key,
    secret_key,
)
from outrider_plugins.jws import token_type
from outrider_plugins.jwt_verifier import Trust
from outrider_plugins.oidc_discovery import check_issuer
from outrider_plugins.remote_keys import KEEP, RemoteKeys
from outrider_plugins.trusted_url import check_url

Text = Annotated[str, Field(min_length=1)]
_log = logging.getLogger("outrider.plugin.jwt-auth")


def _keys(value: Any, info: ValidationInfo) -> KeySet | str | None:
    if not isinstance(value, str | None):
        raise ValueError("must be the path of a file, or an https address")
    if value is None or "://" in value:
        return value and check_url(value)
    path = resolve(value, info)
    try:
        return parse_jwks(path.read_bytes())
    except OSError as error:
        raise ValueError(
            f"{path} can't be read ({error.strerror}): paths begin at the file that names them"
        ) from None
    except ValueError as error:
        raise ValueError(f"{path} {error}") from None


class Issuer(BaseModel):
    """Somebody whose tokens are believed."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, use_attribute_docstrings=True, arbitrary_types_allowed=True
    )

    issuer: Text
    """The value of the claim `iss`."""
    jwks: Annotated[
        KeySet | str | None,
        PlainValidator(_keys),
        WithJsonSchema({"anyOf": [{"type": "string"}, {"type": "null"}]}),
    ] = None
    """The issuer's keys: a file, relative to the one that names it, or an https address. Without one, the issuer is
    asked where they are (OpenID Connect Discovery); it is an https address then."""
    audiences: list[Text] = []
    """One of these must be in the claim `aud`. Without any, a token that has an `aud` is refused."""
    algorithms: Annotated[list[Asymmetric | Symmetric], Field(min_length=1)] = list(get_args(Asymmetric))
    """The algorithms that are accepted. HS256, HS384 and HS512 only if they are listed here."""
    types: list[Text] = []
    """One of these must be the token's type, its header `typ`, such as at+jwt. Without any, no type is asked for."""
    keep_keys: Annotated[int, Field(ge=600, le=2_592_000)] = KEEP
    """How long keys from an address are used after they were last fetched, in seconds: later tokens get 503."""
    _source: KeySource = PrivateAttr()

    @model_validator(mode="after")
    def _find_keys(self) -> Self:
        if isinstance(self.jwks, KeySet):
            self._source = self.jwks
        elif self.jwks is not None:
            self._source = RemoteKeys(self.jwks, keep=self.keep_keys)
        else:
            try:
                self._source = RemoteKeys(check_issuer(self.issuer), discover=True, keep=self.keep_keys)
            except ValueError as error:
                raise ValueError(f"no jwks is given, so the issuer is asked for its keys: it {error}") from None
        return self

    def trust(self) -> Trust:
        """How its tokens are verified."""
        return Trust(
            self._source,
            frozenset(self.audiences),
            frozenset(self.algorithms),
            frozenset(map(token_type, self.types)),
        )


def owned_trust(row: Credential) -> Trust:
    """A consumer's own issuer (Kong's jwt_secrets). Raises `ValueError` for a key that is none."""
    algorithm = str(row.fields["algorithm"])
    try:
        if algorithm in get_args(Symmetric):
            key = secret_key(row.secret("secret"), algorithm)
        else:
            key = pem_key(str(row.fields["rsa_public_key"]), algorithm)
    except ValueError as error:
        raise ValueError(f"jwt_secrets of {row.consumer.name}: {error}") from None
    return Trust(KeySet([key]), frozenset(), key.algorithms, owner=row)


def warn_of_short_secrets(consumers: Consumers) -> None:
    """RFC 7518, section 3.2 forbids them, but Kong takes them and files have them."""
    for row in consumers.credentials("jwt_secrets"):
        algorithm, owner = str(row.fields["algorithm"]), row.consumer.name
        if algorithm in get_args(Symmetric) and is_short(row.secret("secret"), algorithm):
            _log.warning(
                "a secret in jwt_secrets of %s is shorter than %s wants it: it can be guessed", owner, algorithm
            )
