"""What plugins share whose credential may stand in a header, in the query or in a cookie."""

from typing import Self

from pydantic import Field, model_validator

from outrider import Auth, HeaderName
from outrider_plugins.credential_source import ParameterName


class PlacedAuth(Auth, abstract=True):
    """Looks for its credential in every place that has a name; a subclass names the usual header."""

    header: HeaderName | None = Field(default=None, description="The header that carries the credential.")
    query: ParameterName | None = Field(default=None, description="The query parameter that carries the credential.")
    cookie: ParameterName | None = Field(default=None, description="The cookie that carries the credential.")

    @model_validator(mode="after")
    def _has_a_place(self) -> Self:
        if not (self.header or self.query or self.cookie):
            raise ValueError("looks for its credential nowhere: give header, query or cookie")
        return self
