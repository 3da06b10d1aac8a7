"""What each request gets, and why: two plugin workers and a sample upstream, behind a real Envoy (`make demo`).

With --kong (`make demo-kong`) they are behind the Kong stand-in.
"""

import json
import sys
import tempfile
import threading
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from gateway import free_port, running
from issuer import Issuer
from rows import Row, Rows
from stand_in import SAID
from upstream import Upstream

EXAMPLES = Path(__file__).parent.parent


def main(*, behind_kong: bool) -> int:
    if behind_kong:
        print(SAID, flush=True)
    issuer = Issuer()
    upstream = Upstream(0, issuer.jwks())
    threading.Thread(target=upstream.serve_forever, daemon=True).start()
    with configuration(upstream.server_port) as file, running(file, behind_kong=behind_kong) as gateway:
        rows = Rows(gateway, issuer, upstream).all()
    print(table(rows))
    failed = [row for row in rows if not row.good]
    print(f"\n{len(rows) - len(failed)} of {len(rows)} as they should be")
    return 1 if failed else 0


@contextmanager
def configuration(upstream_port: int) -> Generator[Path]:
    """examples/outrider.yaml on free ports."""
    text = (EXAMPLES / "outrider.yaml").read_text(encoding="utf-8")
    ports = {"8080": free_port(), "9090": free_port(), "9001": upstream_port}
    for old, new in ports.items():
        text = text.replace(f"127.0.0.1:{old}", f"127.0.0.1:{new}")
    text = text.replace("[custom]", json.dumps([str(EXAMPLES / "custom")]))
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "outrider.yaml"
        file.write_text(text, encoding="utf-8")
        yield file


def table(rows: list[Row]) -> str:
    width = max(len(row.request) for row in rows)
    got = max(len(row.got) for row in rows)
    lines = [f"{'':4} {'request':{width}}  {'got':{got}}  why"]
    lines += [f"{'ok' if row.good else 'BAD':4} {row.request:{width}}  {row.got:{got}}  {row.why}" for row in rows]
    return "\n".join(lines)


if __name__ == "__main__":
    try:
        sys.exit(main(behind_kong="--kong" in sys.argv[1:]))
    except KeyboardInterrupt:
        sys.exit(130)  # what a shell says of a Ctrl-C
