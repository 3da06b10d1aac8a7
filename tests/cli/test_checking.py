"""What the supervisor is told of a source that was checked."""

from pathlib import Path

from outrider_cli.checking import Checked
from outrider_cli.folder import Folder
from outrider_cli.loading import Source

KONGS_OWN = """
_format_version: "3.0"
services:
  - name: orders
    url: http://127.0.0.1:9001
    routes: [{name: orders, paths: [/orders]}]
    plugins: [{name: proxy-cache, config: {strategy: memory}}]
"""


def test_what_is_left_out_reaches_the_supervisor(tmp_path: Path) -> None:
    file = tmp_path / "kong.yml"
    file.write_text(KONGS_OWN)
    folder = Folder(tmp_path)
    checked = Checked.of(Source.read(file, kongs_own="leave out"), folder, folder.shift(0), has_envoy=False)
    first, then = checked.left_out
    assert "left out, since it is Kong's own" in first
    assert "route orders: answers 503" in then
    assert Checked.from_json(checked.to_json()) == checked
