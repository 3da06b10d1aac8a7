"""What can go wrong with Redis and Valkey, in words of our own: those of a library or a server may hold anything."""

import os
import re
import ssl
from typing import Final

from outrider_plugins.counting.redis.address import Node
from outrider_plugins.counting.storage import StorageError, StorageTimeoutError


class UnknownScriptError(StorageError):
    """The server must be told the script first."""


class DemotedError(StorageError):
    """The server is a replica: a new connection may find the one that counts now."""


class MovedError(StorageError):
    """Another node of the cluster has the key."""

    def __init__(self, message: str, node: Node) -> None:
        super().__init__(message)
        self.node = node


_REASONS: Final = {
    "OOM": "has no memory left",
    "READONLY": "is a replica, which can't count",
    "NOSCRIPT": "does not know the script",
    "NOAUTH": "wants a password",
    "WRONGPASS": "does not accept the user and the password",
    "NOPERM": "does not allow this user what counting needs",
    "LOADING": "is still loading its data",
    "MASTERDOWN": "has lost its master",
    "MISCONF": "can't save its data, and takes none until it can",
    "NOREPLICAS": "has fewer replicas than it must have",
    "BUSY": "is busy with another script",
    "CLUSTERDOWN": "says that the cluster is down",
    "ASK": "is handing the key over to another node",
    "TRYAGAIN": "is handing the key over to another node",
}
_KINDS: Final = {"READONLY": DemotedError, "NOSCRIPT": UnknownScriptError}
_CODES = re.compile(rf"\b({'|'.join(_REASONS)})\b")
_CODE = re.compile(r"[A-Z]{2,20}\b")
_MOVED = re.compile(r"\d+ (.*):(\d+)$")
_ERRNO = re.compile(r"\[Errno (\d+)\]")


def said(where: str, code: str, text: str) -> StorageError:
    """For an error that the server answered with: its code, and the rest of its line."""
    if code == "MOVED" and (moved := _MOVED.search(text)):
        return MovedError(f"{where} has not got the key", Node(moved[1], int(moved[2])))
    # Redis 6 and earlier tell the code of what a script met only in the middle of the text.
    if found := _CODES.search(f"{code} {text}"):
        return _KINDS.get(found[1], StorageError)(f"{where} {_REASONS[found[1]]}")
    return StorageError(f"{where} refuses ({code if _CODE.fullmatch(code) else 'with no code'})")


def lost(where: str, error: BaseException) -> StorageError:
    """For a connection that can't be made, or that has ended."""
    if isinstance(error, TimeoutError):
        return StorageTimeoutError(f"{where} did not answer in time")
    cause: BaseException | None = error
    while cause is not None and not isinstance(cause, OSError):
        cause = cause.__cause__ or cause.__context__
    if isinstance(cause, ssl.SSLCertVerificationError):
        return StorageError(f"{where} shows a certificate that is not trusted")
    if cause is not None:
        return StorageError(f"{where} can't be reached ({_reason(cause)})")
    if type(error).__name__ == "ConnectionError":  # the library's, which says so of an end where an answer should be
        return StorageError(f"{where} has closed the connection")
    return StorageError(f"{where} gives no proper answer ({type(error).__name__})")


def _reason(error: OSError) -> str:
    # With several addresses behind a name the numbers are only in the text.
    number = _ERRNO.search(str(error))
    return error.strerror or (os.strerror(int(number[1])) if number else type(error).__name__)
