"""The options about TLS between an Envoy on another machine and the workers."""

from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import click

from outrider_cli.transports import GRPCIO

if TYPE_CHECKING:
    from outrider_envoy.grpcio_tls import TlsFiles
    from outrider_envoy.render.plan import WorkerTls

T = TypeVar("T")
_FILE = click.Path(path_type=Path, exists=True, dir_okay=False, resolve_path=True)


def of_workers(command: Callable[..., None]) -> Callable[..., None]:
    """Adds the options of `serve envoy`, and gives the command what they say as `tls`."""

    @click.option("--tls-cert", type=_FILE, help="With grpcio: the certificate that the workers show, as PEM.")
    @click.option("--tls-key", type=_FILE, help="Its private key.")
    @click.option("--tls-client-ca", type=_FILE, help="The authority that signs what Envoy shows.")
    @wraps(command)
    def run(
        *,
        listen: str,
        transport: str,
        tls_cert: Path | None,
        tls_key: Path | None,
        tls_client_ca: Path | None,
        **rest: object,
    ) -> None:
        tls = _files(listen, transport, tls_cert, tls_key, tls_client_ca)
        command(listen=listen, transport=transport, tls=tls, **rest)

    return run


def of_envoy(command: Callable[..., None]) -> Callable[..., None]:
    """Adds the options of `render envoy`, and gives the command what they say as `tls`."""

    @click.option(
        "--tls-cert", metavar="FILE", help="Workers elsewhere: the certificate to show them, on Envoy's machine."
    )
    @click.option("--tls-key", metavar="FILE", help="Its private key, there.")
    @click.option("--tls-ca", metavar="FILE", help="The authority that signs what the workers show, there.")
    @wraps(command)
    def run(*, listen: str, tls_cert: str | None, tls_key: str | None, tls_ca: str | None, **rest: object) -> None:
        command(listen=listen, tls=_shown(listen, tls_cert, tls_key, tls_ca), **rest)

    return run


def _files(listen: str, transport: str, *given: Path | None) -> "TlsFiles | None":
    files = _all_or_none(listen, given, "--tls-cert, --tls-key and --tls-client-ca")
    if files is None:
        return None
    if transport != GRPCIO:
        raise click.UsageError(f"--tls-cert: {transport} speaks no TLS: add --transport {GRPCIO}")
    from outrider_envoy.grpcio_tls import TlsFiles

    return TlsFiles(*files)


def _shown(listen: str, *given: str | None) -> "WorkerTls | None":
    files = _all_or_none(listen, given, "--tls-cert, --tls-key and --tls-ca, as `serve envoy` has its own")
    if files is None:
        return None
    from outrider_cli.listen import is_anywhere
    from outrider_envoy.render.plan import WorkerTls

    if is_anywhere(listen):
        what = f"{listen!r} is every address of a machine: give the one that your Envoy connects to"
        raise click.BadParameter(what, param_hint="'--listen'")
    return WorkerTls(*files)


def _all_or_none(listen: str, given: tuple[T | None, ...], names: str) -> list[T] | None:
    from outrider_cli.listen import is_elsewhere

    files = [one for one in given if one is not None]
    if files and listen.startswith("unix:"):
        raise click.UsageError(f"--tls-cert: {listen!r} is of this machine, where nobody needs TLS: leave it out")
    if len(files) == len(given):
        return files
    if files:
        raise click.UsageError(f"--tls-cert: give all of {names}")
    if is_elsewhere(listen):
        raise click.BadParameter(
            f"{listen!r} can be reached from other machines: use 127.0.0.1:PORT, [::1]:PORT or unix:/DIRECTORY, "
            f"or add {names}",
            param_hint="'--listen'",
        )
    return None
