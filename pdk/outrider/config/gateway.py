"""The `gateway` section: what Kong keeps in kong.conf."""

import os
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationInfo, model_validator

from outrider.config.field_types import Address, ListenAddress, Network, refusal
from outrider.config.mistake import shown
from outrider.config.rate_limit_service import RateLimitService
from outrider.config.tls import Tls
from outrider.fields import FilePath, resolve
from outrider.pressure import SHORTEST


def _folder(path: Path) -> Path:
    if not path.is_dir():
        raise refusal(f"{shown(str(path), limit=1000)} is no folder", "create it, or name one relative to this file")
    return path


def _queue_budget(milliseconds: int) -> int:
    shortest = round(SHORTEST * 1000)
    if milliseconds and milliseconds < shortest:
        raise refusal(f"{milliseconds} is too short to be told from nothing", f"give {shortest} or more, or 0")
    return milliseconds


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _access_log(value: object, info: ValidationInfo) -> object:
    if value == "stdout" or not isinstance(value, str):
        return value
    path = resolve(value, info)
    if not value or path.is_dir() or not path.parent.is_dir():
        raise refusal(f"{shown(value)} is no file in a folder that exists", "write stdout, or the path of a file")
    return str(path)


AccessLog = Annotated[str, BeforeValidator(_access_log)]
Folder = Annotated[FilePath, AfterValidator(_folder)]
Count = Annotated[int, Field(ge=1, le=256)]


class Log(BaseModel):
    """How the gateway and its workers log."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    level: Literal["debug", "info", "warning", "error"] = "info"
    """The least severe lines that are written."""
    format: Literal["auto", "text", "json"] = "auto"
    """`auto` is text on a terminal and JSON elsewhere."""
    access: AccessLog | None = None
    """Where Envoy writes a line of JSON for each request: `stdout`, or a path relative to this file. By default
    nowhere. Kong has a log of its own."""


class Gateway(BaseModel):
    """How the gateway itself runs."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    listen: ListenAddress = Address("127.0.0.1", 8080)
    """The IP:PORT that downstream connects to."""
    tls: Tls | None = None
    """Beside it, where downstream connects to with TLS. The default is nowhere."""
    metrics: ListenAddress = Address("127.0.0.1", 9090)
    """The IP:PORT of the Prometheus page, /healthz and /readyz."""
    workers: Count = Field(default_factory=_cores)
    """Plugin processes. The default is the number of cores."""
    concurrency: Count = Field(default_factory=_cores)
    """Envoy's worker threads. The default is the number of cores."""
    protocol: Literal["ext_proc", "ext_authz"] = "ext_proc"
    """How Envoy asks the workers. `ext_authz` has the request phase only."""
    trusted_ips: list[Network] = []
    """Address ranges of proxies whose x-forwarded-for is believed. The default believes nobody."""
    plugin_dirs: list[Folder] = []
    """Folders of plain .py files with plugins in them, relative to this file."""
    log: Log = Log()
    """How the gateway and its workers log."""
    endpoints: Folder | None = None
    """A folder of files, relative to this file, that are written anew when targets change: NAME.yaml or NAME.json
    holds `targets`, and while it is there these are the targets of the upstream NAME."""
    queue_budget: Annotated[int, Field(ge=0, le=60_000), AfterValidator(_queue_budget)] = 500
    """How long a request may wait until its worker looks at it, in milliseconds. A worker whose queue is longer
    refuses new requests with 503; 0 lets them wait. Envoy waits for an answer for so much longer than plugins may
    take."""
    kong_plugins: list[Annotated[str, Field(min_length=1)]] = []
    """Names of plugins that somebody has installed in Kong: Kong gets them as they are written."""
    rate_limit_service: RateLimitService | None = None
    """Limits for the rate limit filter of an Envoy of your own. Without it the workers don't serve that filter."""

    @model_validator(mode="after")
    def _apart(self) -> Self:
        if self.metrics.port == self.listen.port:
            raise refusal(f"listen and metrics both have the port {self.listen.port}", "change one of them")
        for name, address in (("listen", self.listen), ("metrics", self.metrics)):
            if self.tls is not None and self.tls.listen.port == address.port:
                raise refusal(f"{name} and tls.listen both have the port {address.port}", "change one of them")
        return self
