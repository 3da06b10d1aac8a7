"""What each phase that a plugin asks for adds to a request: one gateway for each, in turn, against a no-op plugin."""

import statistics
import tempfile
from contextlib import ExitStack
from pathlib import Path

from gateway import free_port
from gateways import HERE, ROUNDS, Contender, outrider, process, spread

PLUGINS = '''
from outrider import Needs, Plugin, Request, Response

class Noop(Plugin):
    """Looks at nothing."""

    def on_request(self, request: Request) -> None: ...

class Tells(Plugin):
    """Says something to downstream, whoever answers."""

    def needs(self) -> Needs:
        return Needs(reply_headers=("x-told",))

    def on_request(self, request: Request) -> None:
        request.reply_headers["x-told"] = "yes"

class Responds(Plugin):
    """Says the same in the response phase."""

    def on_response(self, request: Request, response: Response) -> None:
        response.headers["x-told"] = "yes"

class Whole(Plugin):
    """Sees the response's whole body."""

    def on_response_body(self, request: Request, response: Response, body: bytes) -> None: ...

class Pieces(Plugin):
    """Sees the response's body as it passes."""

    def on_response_chunk(self, request: Request, response: Response, chunk: bytes, last: bool) -> bytes:
        return chunk

class Resizes(Pieces):
    """The same, and could change its length."""

    def needs(self) -> Needs:
        return Needs(resizes=frozenset({"on_response_chunk"}))

class Skips(Pieces):
    """Could see it, and passes over this one."""

    def on_response(self, request: Request, response: Response) -> None:
        response.skip_body()
'''

CASES = {
    "a no-op plugin": "{name: noop}",
    "a reply header": "{name: tells}",
    "a response hook": "{name: responds}",
    "the response's body, whole": "{name: whole}",
    "the response's body, STREAMED": "{name: pieces}",
    "the same, FULL_DUPLEX": "{name: resizes}",
    "the same, passed over": "{name: skips}",
    "tracing, headers only": "{name: tracing}",
    "tracing, spans to a collector": "{name: tracing, config: {endpoint: 'http://127.0.0.1:PORT', protocol: http}}",
}


def compare_phases() -> str:
    """The table: medians over the rounds, and what each adds to the no-op plugin's cost."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        (folder / "phases.py").write_text(PLUGINS)
        upstream, collector = free_port(), free_port()
        stack.enter_context(process(str(HERE / "backend.py"), str(upstream)))
        stack.enter_context(process(str(HERE / "collector.py"), str(collector)))
        plugins = [plugin.replace("PORT", str(collector)) for plugin in CASES.values()]
        contenders = [
            stack.enter_context(outrider(folder, name, upstream, f"[{plugin}]"))
            for name, plugin in zip(CASES, plugins, strict=True)
        ]
        for _ in range(ROUNDS):
            for contender in contenders:
                contender.run({})
    return table(contenders)


def table(contenders: list[Contender]) -> str:
    base = contenders[0]
    lines = [f"{'':32} {'server us/req':>24} {'Envoy us/req':>24} {'added: server':>14} {'Envoy':>7}"]
    for one in contenders:
        added = [
            statistics.median(a - b for a, b in zip(mine, theirs, strict=True))
            for mine, theirs in ((one.server_cost, base.server_cost), (one.envoy_cost, base.envoy_cost))
        ]
        costs = f"{spread(one.server_cost):>24} {spread(one.envoy_cost):>24}"
        lines.append(f"{one.name:32} {costs} {added[0]:14,.0f} {added[1]:7,.0f}")
    return "\n".join(lines)
