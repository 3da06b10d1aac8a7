"""The `gateway` section: what Kong keeps in kong.conf."""

import os
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from outrider.config.field_types import Address, ListenAddress, Network, refusal
from outrider.config.mistake import shown
from outrider.config.rate_limit_service import RateLimitService
from outrider.fields import FilePath
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


Folder = Annotated[FilePath, AfterValidator(_folder)]
Count = Annotated[int, Field(ge=1, le=256)]


class Log(BaseModel):
    """How the gateway and its workers log."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    level: Literal["debug", "info", "warning", "error"] = "info"
    """The least severe lines that are written."""
    format: Literal["auto", "text", "json"] = "auto"
    """`auto` is text on a terminal and JSON elsewhere."""


class Gateway(BaseModel):
    """How the gateway itself runs."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    listen: ListenAddress = Address("127.0.0.1", 8080)
    """The IP:PORT that downstream connects to."""
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
    queue_budget: Annotated[int, Field(ge=0, le=60_000), AfterValidator(_queue_budget)] = 500
    """How long a request may wait until its worker looks at it, in milliseconds. A worker whose queue is longer
    refuses new requests with 503; 0 lets them wait. Envoy waits for an answer for so much longer than plugins may
    take."""
    rate_limit_service: RateLimitService | None = None
    """Limits for the rate limit filter of an Envoy of your own. Without it the workers don't serve that filter."""

    @model_validator(mode="after")
    def _apart(self) -> Self:
        if self.metrics.port == self.listen.port:
            raise refusal(f"listen and metrics both have the port {self.listen.port}", "change one of them")
        return self
