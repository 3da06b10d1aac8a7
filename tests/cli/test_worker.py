"""What a worker says of a plugin that does not start."""

import subprocess
import sys
from pathlib import Path

from harness.outrider import free_port, outrider


def test_a_start_that_fails_names_its_lines_in_the_file_and_in_the_plugin_but_not_the_text(tmp_path: Path) -> None:
    (tmp_path / "own").mkdir()
    (tmp_path / "own" / "needy.py").write_text(
        "from outrider import Plugin\n"
        "class Needy(Plugin):\n"
        "    async def start(self, runtime):\n"
        "        raise ValueError('password=hunter2')\n"
        "    def on_request(self, request): ...\n"
    )
    file = tmp_path / "outrider.yaml"
    file.write_text(
        '_format_version: "3.0"\n'
        f"gateway: {{metrics: 127.0.0.1:{free_port()}, workers: 1, plugin_dirs: [own]}}\n"
        "plugins:\n"
        "  - name: needy\n"
    )
    done = outrider("serve", "envoy", file, "--listen", f"127.0.0.1:{free_port()}")
    assert done.returncode == 3
    assert f"{file}:4: plugin needy: start failed at needy.py:4: ValueError" in done.stderr
    assert "hunter2" not in done.stderr


def test_a_worker_imports_no_grpc_before_it_knows_that_it_is_for_envoy() -> None:
    code = "import sys, outrider_cli.worker; sys.exit('grpc' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
