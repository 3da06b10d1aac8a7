"""A whole file's routes in this process, with consumers' own plugins and all, and no gateway."""

import asyncio
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Self

import yaml

from harness.chains import walked
from harness.outrider import Config
from outrider import Request
from outrider.metrics import Metrics
from outrider.starting import Plugins
from outrider.verdict import Reply
from outrider_cli.loading import Source


class InProcess:
    """`with InProcess.of(config) as routes`: its plugins are started, and stopped at the end."""

    def __init__(self, source: Source) -> None:
        metrics = Metrics(slots=1 << 16)
        self._shared = TemporaryDirectory(prefix="shared-")
        self._chains = source.load(metrics).chains
        self._plugins = Plugins(source.configuration, Path(self._shared.name), metrics)
        self._loop = asyncio.Runner()

    @classmethod
    def of(cls, config: Config, folder: Path) -> Self:
        """The routes of a configuration whose file would be in `folder`."""
        file = folder / "outrider.yaml"
        file.write_text(yaml.safe_dump({"_format_version": "3.0", **config}))
        return cls(Source.read(file))

    def ask(self, route: str, request: Request) -> Reply | None:
        """What a plugin answers; None where the request, as it is then, goes upstream."""
        request.headers.unseal()
        exchange = self._chains[route].begin(request)
        verdict = self._loop.run(walked(exchange.request_phase()))
        exchange.end(aborted=False)
        return verdict if isinstance(verdict, Reply) else None

    def __enter__(self) -> Self:
        self._loop.run(self._plugins.start())
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.run(self._plugins.stop())
        self._loop.close()
        self._shared.cleanup()
