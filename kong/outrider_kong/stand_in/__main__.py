"""A stand-in for Kong Gateway 3.9.1, for tests and demonstrations. It is no Kong: nothing of Kong is in it.

It reads a kong.yml and a kong.conf, asks and starts plugin servers and proxies HTTP/1.1, and behaves to plugin
servers and to clients as Kong 3.9.1 was seen to. It has no TLS, no upgrades, no upstreams with targets, no admin API,
and of Kong's plugins only pre-function, post-function, acl and request-termination.
"""

import argparse
import os
import sys
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path

REQUIRED = ("h11", "lupa", "msgpack")


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs until SIGTERM or Ctrl-C: 0 at a regular end, 1 where Kong would not start, 3 where the port is taken."""
    options = _options(arguments)
    if missing := [name for name in REQUIRED if find_spec(name) is None]:
        return _fail(f"the Kong stand-in needs {', '.join(missing)}: pip install 'outrider[stand-in]'.")
    from outrider_kong.stand_in.mistakes import MistakeError
    from outrider_kong.stand_in.running import Options, run

    host, _, port = options.listen.rpartition(":")
    try:
        conf = options.conf.read_text() if options.conf else ""
        return run(Options(options.declarative, conf, host, int(port), options.workers), os.environ)
    except MistakeError as error:
        return _fail(*error.sentences)
    except OSError as error:
        return _fail(f"{error.filename or options.listen}: {error.strerror}.", code=1 if error.filename else 3)


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m outrider_kong.stand_in", description=__doc__)
    parser.add_argument("declarative", type=Path, metavar="KONG_YML", help="what `outrider render kong` prints")
    parser.add_argument("--conf", type=Path, metavar="KONG_CONF", help="what `outrider render kong --conf` prints")
    parser.add_argument("--listen", default="127.0.0.1:8000", metavar="HOST:PORT", help="0 takes any free port")
    parser.add_argument("--workers", type=int, default=1, metavar="N", help="simulated nginx workers, 1 by default")
    return parser.parse_args(arguments)


def _fail(*sentences: str, code: int = 1) -> int:
    for sentence in sentences:
        sys.stderr.write(f"stand-in: {sentence}\n")
    return code


if __name__ == "__main__":
    sys.exit(main())
