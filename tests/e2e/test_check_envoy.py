"""`outrider check FILE --envoy ADMIN` beside the Envoy that `outrider run FILE` has started."""

import json
from pathlib import Path

import pytest

from harness.outrider import Outrider, outrider
from harness.sample import Protocol


def admin_of(gateway: Outrider) -> str:
    """The socket in the private folder."""
    words = gateway.children()[gateway.envoy()].split()
    bootstrap = json.loads(Path(words[words.index("--config-path") + 1]).read_text(encoding="utf-8"))
    return f"unix:{bootstrap['admin']['address']['pipe']['path']}"


@pytest.mark.parametrize("protocol", ["ext_proc", "ext_authz"])
def test_the_envoy_that_it_starts_itself_has_nothing_wrong(gateway: Outrider, protocol: Protocol) -> None:
    del protocol
    admin = admin_of(gateway)
    done = outrider("check", gateway.file, "--envoy", admin)
    assert (done.returncode, f"and none in the Envoy at {admin}\n" in done.stdout) == (0, True), done.stderr
    about = [line.removeprefix(f"{admin}: ") for line in done.stderr.splitlines() if line.startswith(admin)]
    # This one is true of an Envoy of 1.36.
    assert [line for line in about if not line.startswith("envoy: warning: an Envoy of 1.36 ")] == []
