"""The checks that Kong makes of its functions' arguments."""

from outrider_kong.stand_in.pdk.registry import LuaError
from outrider_kong.stand_in.values import Value, is_list, is_table

MOST = 1000


def string(value: Value, what: str) -> bytes:
    """A string, or Lua's error."""
    if not isinstance(value, bytes):
        raise LuaError(f"{what} must be a string")
    return value


def integer(value: Value, what: str, least: int, most: int) -> int:
    """A number between two others, or Lua's error."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise LuaError(f"{what} must be a number")
    if not least <= value <= most:
        raise LuaError(f"{what} must be between {least} and {most}")
    return int(value)


def limit(value: Value, what: str, default: int) -> int:
    """How many headers or arguments are asked for; never more than 1,000."""
    return default if value is None else integer(value, what, 1, MOST)


def header_values(name: Value, value: Value) -> list[bytes]:
    """The values that nginx gets for a header. An empty one becomes a space: nginx would drop the header."""
    string(name, "header name")
    if isinstance(value, bool):
        return [b"true" if value else b"false"]
    if isinstance(value, int | float):
        return [b"%.14g" % value]
    if isinstance(value, bytes):
        return [value or b" "]
    if value == {}:
        return []
    if not is_list(value) or not all(isinstance(item, bytes) for item in value):
        wanted = "a string, a number, a boolean or an array of strings"
        raise LuaError(f"invalid header value for {name!r}: expected {wanted}")
    return [item or b" " for item in value]


def header_table(headers: Value) -> dict[bytes, list[bytes]]:
    """A table of headers with the values that nginx gets for each."""
    if headers == []:
        return {}
    if not is_table(headers):
        raise LuaError("headers must be a table")
    return {name: header_values(name, value) for name, value in headers.items()}
