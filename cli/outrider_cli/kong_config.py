"""What `outrider render kong` prints: Kong's declarative configuration, and the lines for kong.conf."""

import sys
import sysconfig
from collections.abc import Sequence
from contextlib import AbstractContextManager, redirect_stdout
from pathlib import Path

import yaml

from outrider.compiling import identity_headers
from outrider.config.endpoint_files import current_targets
from outrider.errors import OutriderError
from outrider_cli import kong_pdk_modules
from outrider_cli.loading import Source
from outrider_kong import render
from outrider_kong.names import CHAINS, PREFIX


def kong_yml(file: Path, modules: Path | None = None) -> str:
    """Kong's declarative configuration for FILE. Raises `ConfigError` for a FILE that Kong can't serve.

    With `modules`, for kong-pdk, which finds there what its plugins are.
    """
    with _to_stderr():
        plan = _plan(Source.read(file, "kong"), modules)
    if modules is not None:
        kong_pdk_modules.write(modules, file.absolute(), plan.chain_names)
    return yaml.dump(render.kong_yml(plan), Dumper=_Readable, sort_keys=False, allow_unicode=True, width=110)


def kong_conf(file: Path, listen: str, plugins: Sequence[str], modules: Path | None = None) -> str:
    """The lines for kong.conf: for the chains that FILE needs, and for each of `plugins` by itself."""
    with _to_stderr():
        source = Source.read(file, "kong")
        plan = _plan(source, modules)
        registered = _registered(plugins, source)
    path = file.absolute()
    command = Path(sysconfig.get_path("scripts")) / "outrider"
    place = render.Place(command, path, Path(listen.removeprefix("unix:")), path.parent / "kong.yml")
    names = list(dict.fromkeys([*plan.chain_names, *registered]))
    if modules is not None:
        kong_pdk_modules.write(modules, path, names)
        place = kong_pdk_modules.Place.beside(place, modules.absolute())
    return render.kong_conf(plan, place, names)


def _to_stderr() -> AbstractContextManager[object]:
    """What a plugin prints when it is imported is no part of the output."""
    return redirect_stdout(sys.stderr)


def _plan(source: Source, modules: Path | None) -> render.Plan:
    loaded = source.load()
    identity = identity_headers(loaded.configuration)
    targets = current_targets(loaded.configuration)
    return render.Plan(loaded.configuration, loaded.chains, identity, modules is not None, targets)


def _registered(plugins: Sequence[str], source: Source) -> list[str]:
    """What Kong calls plugins and chains: `key-auth` is outrider-key-auth, `chain` is outrider-chain."""
    chains = [name.removeprefix(PREFIX) for name in CHAINS]
    if unknown := set(plugins).difference(chains, source.classes()):
        raise OutriderError(
            f"--plugin: no plugin is called {min(unknown)!r}: see `outrider plugins`, or take {', '.join(chains)}"
        )
    return [PREFIX + name for name in plugins]


class _Readable(yaml.SafeDumper):
    """Writes a text of several lines as these lines."""

    def represent_str(self, data: str) -> yaml.ScalarNode:
        return yaml.ScalarNode("tag:yaml.org,2002:str", data, style="|" if "\n" in data else None)


_Readable.add_representer(str, _Readable.represent_str)
