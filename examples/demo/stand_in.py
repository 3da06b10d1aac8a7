"""The Kong stand-in in the place of an Envoy: what it needs, and the command that starts it."""

import subprocess
import sys
from pathlib import Path

import yaml

SAID = "The gateway is the Kong stand-in of Outrider, which behaves like a Kong 3.9.1 but is none."


def stand_in(file: Path) -> list[str]:
    """The stand-in with what `outrider render kong FILE` prints, put beside FILE; it starts `outrider serve kong`."""
    kong_yml, kong_conf = file.with_name("kong.yml"), file.with_name("kong.conf")
    socket = f"unix:{file.with_name('outrider.sock')}"
    render = [str(Path(sys.executable).with_name("outrider")), "render", "kong", str(file), "--listen", socket]
    kong_yml.write_bytes(subprocess.check_output(render))
    kong_conf.write_bytes(subprocess.check_output([*render, "--conf"]))
    listen: str = yaml.safe_load(file.read_text(encoding="utf-8"))["gateway"]["listen"]
    module = [sys.executable, "-m", "outrider_kong.stand_in"]
    return [*module, str(kong_yml), "--conf", str(kong_conf), "--listen", listen]
