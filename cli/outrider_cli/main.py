"""The `outrider` command."""

import asyncio
import json
import sys
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, ParamSpec

import click

from outrider.errors import OutriderError, StartError
from outrider_cli import kong_socket, worker_tls
from outrider_cli.transports import TRANSPORTS

# Everything else is imported by the command that needs it: the configuration alone takes half a second.

if TYPE_CHECKING:
    from outrider_cli.loading import KongsOwn, Source
    from outrider_envoy.grpcio_tls import TlsFiles
    from outrider_envoy.render.plan import WorkerTls

P = ParamSpec("P")

WRONG_INPUT, NOT_STARTED = 1, 3


def sentences(command: Callable[P, None]) -> Callable[P, None]:
    """Turns our own errors into sentences on standard error and the exit codes of the guide for operators."""

    @wraps(command)
    def run(*args: P.args, **kwargs: P.kwargs) -> None:
        try:
            command(*args, **kwargs)
        except StartError as error:
            _fail(f"outrider: {error}", NOT_STARTED)
        except OutriderError as error:
            _fail(str(error), WRONG_INPUT)

    return run


def _source(file: Path, kongs_own: "KongsOwn") -> "Source":
    """The file, after a line for all that is left out of it."""
    from outrider_cli.loading import Source

    source = Source.read(file, kongs_own=kongs_own)
    for line in source.with_left_out[1]:
        click.echo(line, err=True)
    return source


def _fail(sentence: str, code: int) -> None:
    click.echo(sentence, err=True)
    sys.exit(code)


def _checked(_: click.Context, __: click.Parameter, listen: str) -> str:
    from outrider_cli.listen import checked

    return checked(listen)


def _checked_socket(_: click.Context, __: click.Parameter, listen: str) -> str:
    return kong_socket.checked(listen)


def _checked_admin(_: click.Context, __: click.Parameter, admin: str | None) -> str | None:
    from outrider_cli.envoy_admin import checked

    return None if admin is None else checked(admin)


FILE = click.argument("file", type=click.Path(path_type=Path))
TRANSPORT = click.option(
    "--transport",
    type=click.Choice(TRANSPORTS),
    default=TRANSPORTS[0],
    show_default=True,
    envvar="OUTRIDER_TRANSPORT",
    show_envvar=True,
    help="What speaks gRPC with Envoy: Outrider's engine, or the slower library grpcio, should it misbehave.",
)


LENIENT = click.option(
    "--lenient",
    "kongs_own",
    flag_value="leave out",
    default="refuse",
    help="Leaves out what only Kong can do, answers 503 where that would guard, and lists both.",
)


@click.group(context_settings={"help_option_names": ["-h", "--help"]}, epilog="Example: outrider run outrider.yaml")
@click.version_option(package_name="outrider", prog_name="outrider", message="%(prog)s %(version)s")
def main() -> None:
    """Plugins in Python for the API gateway that you already run."""


@main.command(epilog="Example: outrider run examples/outrider.yaml")
@FILE
@click.option("--reload", is_flag=True, help="Take over plugins from plugin_dirs that are edited meanwhile.")
@TRANSPORT
@LENIENT
@sentences
def run(file: Path, transport: str, kongs_own: "KongsOwn", *, reload: bool) -> None:
    """Runs a whole gateway from one FILE: Envoy, the plugin workers and the metrics page, until Ctrl-C."""
    from outrider_cli import supervisor

    asyncio.run(supervisor.run(_source(file, kongs_own), reload=reload, transport=transport))


@main.group(epilog="Example: outrider serve envoy outrider.yaml --listen 127.0.0.1:9191")
def serve() -> None:
    """Runs only the plugin workers, for a gateway that you run."""


@serve.command("envoy", epilog="Example: outrider serve envoy outrider.yaml --listen unix:/run/outrider")
@FILE
@click.option(
    "--listen",
    default="127.0.0.1:9191",
    show_default=True,
    callback=_checked,
    help="IP:PORT, beyond loopback with TLS, or unix:/DIRECTORY. Each worker has the next port, or its own socket.",
)
@TRANSPORT
@LENIENT
@worker_tls.of_workers
@sentences
def serve_envoy(file: Path, listen: str, transport: str, kongs_own: "KongsOwn", tls: "TlsFiles | None") -> None:
    """Runs the workers for an Envoy of your own, as FILE says."""
    from outrider_cli import supervisor

    asyncio.run(supervisor.serve(_source(file, kongs_own), listen, transport, tls))


@serve.command("kong", epilog="Example: outrider serve kong outrider.yaml")
@FILE
@click.option(
    "--listen",
    default=kong_socket.DEFAULT,
    show_default=True,
    callback=_checked_socket,
    help="The socket that Kong connects to. A server that has it already ends when its requests have.",
)
@click.option("--reload", is_flag=True, help="Take over plugins from plugin_dirs that are edited meanwhile.")
@sentences
def serve_kong(file: Path, listen: str, *, reload: bool) -> None:
    """Runs the plugin server for Kong, as FILE says."""
    from outrider_cli import supervisor

    asyncio.run(supervisor.serve_kong(file, listen, reload=reload))


@main.group(epilog="Example: outrider render envoy outrider.yaml > envoy.yaml")
def render() -> None:
    """Prints a gateway's own configuration, made from the file."""


@render.command("envoy", epilog="Example: outrider render envoy outrider.yaml > envoy.yaml")
@FILE
@click.option(
    "--listen",
    default="127.0.0.1:9191",
    show_default=True,
    callback=_checked,
    help="Where `outrider serve envoy` has its workers.",
)
@click.option("--filters", is_flag=True, help="Only what to paste into the configuration of an Envoy of your own.")
@LENIENT
@worker_tls.of_envoy
@sentences
def render_envoy(file: Path, listen: str, kongs_own: "KongsOwn", tls: "WorkerTls | None", *, filters: bool) -> None:
    """Prints Envoy's bootstrap for FILE as YAML, with the workers where `serve envoy` has them."""
    from outrider.config import ConfigError
    from outrider_cli.listen import endpoints
    from outrider_cli.paste import plain, to_yaml
    from outrider_envoy.capabilities import printed_keys
    from outrider_envoy.render import bootstrap, pieces

    source = _source(file, kongs_own)
    plan = source.load().plan(tuple(endpoints(listen, source.gateway.workers)), worker_tls=tls)
    if not filters and (mistakes := list(printed_keys(plan.configuration))):
        raise ConfigError(mistakes)
    text = to_yaml(pieces(plan)) if filters else plain(bootstrap(plan))
    click.echo(text, nl=False)


@render.command("kong", epilog="Example: outrider render kong outrider.yaml > kong.yml")
@FILE
@click.option(
    "--listen",
    default=kong_socket.DEFAULT,
    show_default=True,
    callback=_checked_socket,
    help="Where `outrider serve kong` listens.",
)
@click.option("--conf", is_flag=True, help="The lines for kong.conf.")
@click.option("--plugin", "plugins", multiple=True, metavar="NAME", help="With --conf: also outrider-NAME.")
@click.option("--info", metavar="NAME", help="What Kong asks for when it starts, of the plugin that it calls NAME.")
@click.option(
    "--pdk",
    metavar="DIR",
    type=click.Path(path_type=Path, file_okay=False),
    help="For Kong's own Python PDK, kong-pdk, in place of `serve kong`: writes its modules into DIR.",
)
@sentences
def render_kong(
    file: Path, listen: str, plugins: tuple[str, ...], info: str | None, pdk: Path | None, *, conf: bool
) -> None:
    """Prints Kong's declarative configuration for FILE, which keeps the secrets and the fields of plugins."""
    if plugins and not conf:
        raise click.UsageError("--plugin adds lines to what --conf prints: give --conf too")
    if info is not None:
        from outrider_cli import kong_info

        return click.echo(kong_info.to_json(file, info, for_kong_pdk=pdk is not None))
    from outrider_cli import kong_config

    text = kong_config.kong_conf(file, listen, plugins, pdk) if conf else kong_config.kong_yml(file, pdk)
    return click.echo(text, nl=False)


@main.command(epilog="Example: outrider check outrider.yaml")
@FILE
@click.option(
    "--envoy",
    "admin",
    metavar="ADMIN",
    callback=_checked_admin,
    help="Also looks at a running Envoy that asks `serve envoy FILE`: its admin interface, HOST:PORT or unix:/PATH.",
)
@sentences
def check(file: Path, admin: str | None) -> None:
    """Checks FILE: one line for each mistake, FILE:LINE: where: what is wrong: remedy."""
    from outrider.config.endpoint_files import current_targets
    from outrider_cli.doubts import doubts
    from outrider_cli.loading import Source
    from outrider_cli.totals import totals

    source = Source.read(file, kongs_own="keep")
    current_targets(source.configuration)
    for doubt in doubts(source.configuration):
        click.echo(doubt, err=True)
    running = ""
    if admin is not None:
        from outrider_cli import inspecting

        for warning in inspecting.warnings(source, admin):
            click.echo(warning, err=True)
        running = f", and none in the Envoy at {admin}"
    click.echo(f"{file}: no mistakes in {totals(source.configuration)}{running}")


@main.command(epilog="Example: outrider plugins key-auth")
@click.argument("name", required=False)
@sentences
def plugins(name: str | None) -> None:
    """Lists the installed plugins, or the fields, phases and priority of plugin NAME."""
    from outrider import discovery
    from outrider_cli import describe

    installed = discovery.installed()
    if name is None:
        click.echo(describe.overview(installed))
    elif name in installed:
        click.echo(describe.plugin(name, installed[name]))
    else:
        raise click.UsageError(f"no plugin is called {name!r}: the plugins are {', '.join(installed)}")


@main.command(epilog="Example: outrider schema > outrider.schema.json")
@sentences
def schema() -> None:
    """Prints the JSON Schema of the file, for editors."""
    from outrider import config, discovery

    click.echo(json.dumps(config.schema(discovery.installed()), indent=2))


@main.command(epilog="Example: outrider new add-header")
@click.argument("name")
@sentences
def new(name: str) -> None:
    """Makes the folder NAME, a new plugin package with its test."""
    from outrider_cli.new import create

    folder = create(name, Path())
    click.echo(f"{folder}: a plugin and its test; try it:\n  cd {folder}\n  python -m pytest")
