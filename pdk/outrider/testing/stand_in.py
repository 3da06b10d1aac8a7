"""The Kong stand-in in front of a test's plugins: what it is told, and the command that starts it."""

import subprocess
import sys
from pathlib import Path

from outrider.errors import StartError
from outrider.testing.command import environment, program


def stand_in(file: Path, port: int) -> list[str]:
    """The command that runs FILE's plugins behind the stand-in, which listens on `port` of loopback.

    Kong's own files and the socket are put beside FILE. Raises `StartError` with the words of `outrider render kong`
    if Kong can't serve it.
    """
    listen = f"unix:{file.with_suffix('.sock')}"
    declarative, conf = file.with_suffix(".kong.yml"), file.with_suffix(".kong.conf")
    declarative.write_bytes(_rendered(file, "--listen", listen))
    # With a plugin of its own, since Kong starts no server that it has no plugin for.
    conf.write_bytes(_rendered(file, "--listen", listen, "--conf", "--plugin", "chain"))
    module = [sys.executable, "-m", "outrider_kong.stand_in"]
    return [*module, str(declarative), "--conf", str(conf), "--listen", f"127.0.0.1:{port}"]


def _rendered(file: Path, *options: str) -> bytes:
    command = [program("stand-in"), "render", "kong", str(file), *options]
    done = subprocess.run(  # noqa: S603 - no shell is involved
        command, stdin=subprocess.DEVNULL, capture_output=True, env=environment(), check=False
    )
    if done.returncode:
        raise StartError(f"the gateway did not start: {done.stderr.decode(errors='replace').strip()}")
    return done.stdout
