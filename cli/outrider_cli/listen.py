"""Where the workers of `serve envoy` listen."""

from ipaddress import ip_address
from pathlib import Path

import click
from pydantic import TypeAdapter, ValidationError

from outrider.config.field_types import Address, ListenAddress
from outrider.errors import StartError

_UNIX = "unix:"
_LAST_PORT = 65535
_ADDRESS: TypeAdapter[Address] = TypeAdapter(ListenAddress)


def checked(listen: str) -> str:
    """The value of `--listen` as it was given. Raises `BadParameter` if it is neither form of it."""
    if listen.startswith(f"{_UNIX}/"):
        return listen
    try:
        _ADDRESS.validate_python(listen)
    except ValidationError as error:
        context = error.errors()[0].get("ctx", {})
        raise click.BadParameter(f"{context['what']}: {context['remedy']}, or unix:/DIRECTORY") from None
    return listen


def is_elsewhere(listen: str) -> bool:
    """Whether other machines can reach what listens there."""
    return not listen.startswith(_UNIX) and not ip_address(_ADDRESS.validate_python(listen).host).is_loopback


def is_anywhere(listen: str) -> bool:
    """Whether it stands for all addresses of a machine, so that nobody can connect to it."""
    return not listen.startswith(_UNIX) and ip_address(_ADDRESS.validate_python(listen).host).is_unspecified


def endpoints(listen: str, count: int) -> list[str]:
    """One address for each worker: sockets in the folder of `unix:/DIR`, or ports from that of `HOST:PORT` on."""
    if listen.startswith(_UNIX):
        return [f"{listen.rstrip('/')}/worker-{index}.sock" for index in range(count)]
    host, port = _ADDRESS.validate_python(listen)
    if port + count - 1 > _LAST_PORT:
        raise click.BadParameter(
            f"{listen!r} leaves no port for {count} workers: begin at {_LAST_PORT - count + 1} or below",
            param_hint="'--listen'",
        )
    return [str(Address(host, port + index)) for index in range(count)]


def check_folder(listen: str) -> None:
    """Raises `StartError` if the folder of `unix:/DIR` is not there: the remedy is not that for an address in use."""
    folder = Path(listen.removeprefix(_UNIX))
    if listen.startswith(_UNIX) and not folder.is_dir():
        raise StartError(f"--listen: {folder} is no folder: create it, readable for your Envoy")
