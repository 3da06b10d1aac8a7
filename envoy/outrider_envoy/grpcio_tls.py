"""TLS between the workers and an Envoy on another machine: each shows the other a certificate, and believes no other.

The files are looked at before each handshake: certificates that were renewed are shown from then on.
"""

import logging
from pathlib import Path
from typing import Any, NamedTuple

import grpc
from pydantic import SecretStr
from pydantic_core import PydanticCustomError

from outrider.config import pem
from outrider.errors import StartError

_log = logging.getLogger("outrider.envoy")

_Looks = tuple[tuple[int, int, int], ...]


class TlsFiles(NamedTuple):
    """What the workers show, and who has to have signed what Envoy shows: files with PEM."""

    certificate: Path
    key: Path
    client_authority: Path


def credentials(files: TlsFiles) -> grpc.ServerCredentials:
    """What a server of grpcio takes. Raises `StartError` for files that don't fit together."""
    shown = _Shown(files)
    return grpc.dynamic_ssl_server_credentials(shown.now, shown.renewed, require_client_authentication=True)


class _Shown:
    """What is shown now."""

    def __init__(self, files: TlsFiles) -> None:
        self._files = files
        self._looks = _looks(files)
        self.now: Any = _read(files)

    def renewed(self) -> Any:
        """What is shown from now on; None for what was shown before, also where the new files are wrong."""
        try:
            looks = _looks(self._files)
            if looks == self._looks:
                return None
            # Files are replaced one after the other: what does not fit together now may in a moment.
            found, self._looks = _read(self._files), looks
        except StartError as error:
            self._tell(str(error))
            return None
        return found

    def _tell(self, words: str) -> None:
        _log.warning("%s; what was shown before is shown on", words)


def _looks(files: TlsFiles) -> _Looks:
    try:
        found = [file.stat() for file in files]
    except OSError as error:
        raise StartError(f"{error.filename} can't be read ({error.strerror})") from None
    return tuple((one.st_mtime_ns, one.st_size, one.st_ino) for one in found)


def _read(files: TlsFiles) -> Any:
    certificate, key, authority = (_text(file) for file in files)
    try:
        pem.check_chain(authority)
        pem.check_key(SecretStr(key))
        pem.check_pair(pem.check_chain(certificate), SecretStr(key))
    except PydanticCustomError as error:
        names = ", ".join(map(str, files))
        raise StartError(f"one of {names} {error.message()}") from None
    return grpc.ssl_server_certificate_configuration([(key.encode(), certificate.encode())], authority.encode())


def _text(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise StartError(f"{file} can't be read ({type(error).__name__})") from None
