"""The lines of kong.conf that make Kong run our plugins."""

import re
import shlex
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from outrider_kong.render.plan import Plan

Line = tuple[str, str]
"""A key with its value; a key alone is a remark."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where things are on the machine that Kong runs on: absolute paths, all of them."""

    command: Path
    """The command `outrider`."""
    file: Path
    """The file that `render kong` reads."""
    socket: Path
    kong_yml: Path

    @property
    def listen(self) -> str:
        return f"unix:{self.socket}"

    def start(self) -> str:
        """The command that starts the plugin server."""
        return shlex.join([str(self.command), "serve", "kong", str(self.file), "--listen", self.listen])

    def query(self, name: str) -> str:
        """The command that tells Kong about one plugin."""
        return shlex.join([str(self.command), "render", "kong", str(self.file), "--info", name])


def kong_conf(plan: Plan, place: Place, names: Sequence[str]) -> str:
    """The lines for these names, of which the first starts the server, and for the file's `gateway`."""
    lines = [*_plugins(names), *_servers(place, names), *_files(place), *_gateway(plan)]
    return "".join(f"{key} = {_escaped(value)}\n" if value else f"# {key}\n" for key, value in lines)


def _plugins(names: Sequence[str]) -> Iterator[Line]:
    yield "Without `bundled`, neither the pre-function nor the post-function of kong.yml would be there.", ""
    yield "plugins", ",".join(("bundled", *names))


def _servers(place: Place, names: Sequence[str]) -> Iterator[Line]:
    if not names:
        return
    yield "One server runs all of these. Without the start_cmd, start it yourself as Kong's user.", ""
    yield "pluginserver_names", ",".join(names)
    for name in names:
        key = "pluginserver_" + re.sub(r"[^0-9a-z]", "_", name)
        yield f"{key}_socket", str(place.socket)
        yield f"{key}_query_cmd", place.query(name)
        if name == names[0]:
            yield f"{key}_start_cmd", place.start()


def _files(place: Place) -> Iterator[Line]:
    yield "Where your Kong finds its configuration: what `outrider render kong` prints, or a file of your own.", ""
    yield "database", "off"
    yield "declarative_config", str(place.kong_yml)


def _gateway(plan: Plan) -> Iterator[Line]:
    gateway = plan.configuration.gateway
    yield "From the file's `gateway`.", ""
    tls = f", {gateway.tls.listen} http2 ssl reuseport backlog=16384" if gateway.tls else ""
    yield "proxy_listen", f"{gateway.listen} reuseport backlog=16384{tls}"
    if gateway.tls is not None and gateway.tls.minimum == "1.3":
        yield "ssl_protocols", "TLSv1.3"
    if gateway.trusted_ips:
        yield "trusted_ips", ",".join(map(str, gateway.trusted_ips))
        yield "real_ip_header", "X-Forwarded-For"
        yield "real_ip_recursive", "on"
    yield "What Kong itself answers (404, 502, 503, 504) is JSON, as a plugin's refusal is.", ""
    yield "error_default_type", "application/json"


def _escaped(value: str) -> str:
    # Kong takes what follows a # for a remark.
    return value.replace("#", "\\#")
