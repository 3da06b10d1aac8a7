"""A pytest plugin: whatever secret a test uses, it must stand in nothing that came out meanwhile.

It finds out by itself which values are secrets (`secret_sources`) and what comes out (`secret_taps`, and
`secret_outputs` for other processes), and fails the test in which one came out, without showing it.
"""

import re
import subprocess
from collections import Counter
from collections.abc import Generator, Iterable, Mapping
from pathlib import Path
from typing import Any

import pytest

from harness.secret_outputs import Written, written
from harness.secret_sources import Found
from harness.secret_taps import Taps
from harness.secrets import Secrets

KINDS = ("log", "printed", "process", "metrics", "refusal", "error", "rendered", "bootstrap", "recording")
"""What comes out, and is searched."""
_MOST = 8 << 20  # bytes of texts that wait for the end of their test
_BEFORE = 60  # bytes


class Watch:
    """What the tests of this process use, and what came out."""

    def __init__(self) -> None:
        self.secrets = Secrets()
        self.searched: Counter[str] = Counter()
        self._leaks: dict[str, None] = {}
        self._texts: list[tuple[str, bytes, int]] = []
        self._size = 0
        self._written: list[Written] = []
        self._module: Path | None = None
        self._began = 0
        self._imported: dict[Path, list[tuple[str, str]]] = {}
        self._importing: Path | None = None
        self._taps = Taps(self)
        self._taps.lay()

    def use(self, found: Found) -> None:
        """Secrets that came in, each with its origin."""
        for value, origin in found:
            if self._importing is not None:
                self._imported.setdefault(self._importing, []).append((value, origin))
            self.secrets.use(value, origin)

    def came_out(self, kind: str, text: str | bytes, *, far: bool = False) -> None:
        """A text that nobody's secret may stand in; `far` is what another process made, which may be older."""
        raw = text if isinstance(text, bytes) else text.encode("utf-8", "surrogateescape")
        self._texts.append((kind, raw, self._oldest() if far else self._began))
        self._size += len(raw)
        if self._size > _MOST:
            self._search()

    def started(self, process: "subprocess.Popen[Any]", fields: Mapping[str, Any]) -> None:
        """Another process, from here on."""
        self._written.extend(written(process, fields, self._began))

    def importing(self, path: Path | None) -> None:
        """What a file of tests has as constants is used by all of them."""
        self._importing = path
        self._taps.lay()

    def begin(self, path: Path) -> None:
        """A test of that file begins."""
        self._taps.lay()
        if path != self._module:
            self._module, self._began = path, self.secrets.now
            self.use(iter(self._imported.get(path, ())))

    def end(self, sections: Iterable[tuple[str, str]]) -> list[str]:
        """What came out of which secret in this test; `sections` is what pytest has captured."""
        for name, text in sections:
            self.came_out("log" if name.startswith("Captured log") else "printed", text)
        for one in list(self._written):
            is_complete = one.is_complete
            self._texts.append(("process", one.news(), one.since))
            if is_complete:
                one.close()
                self._written.remove(one)
        self._search()
        leaks, self._leaks = list(self._leaks), {}
        return leaks

    def hide(self, text: str) -> str:
        """The text without any secret, or what a shortened one has left behind its beginning."""
        raw = text.encode("utf-8", "surrogatepass")
        for spelling in sorted(self.secrets.found(raw, -1), key=len, reverse=True):
            raw = re.sub(re.escape(spelling) + rb"[^\s\"']*", b"(secret)", raw)
        return raw.decode("utf-8", "surrogatepass")

    def counts(self) -> dict[str, int]:
        """What was done, in numbers."""
        return {"secrets": len(self.secrets), "plain": len(self.secrets.plain), **self.searched}

    def _oldest(self) -> int:
        return min((one.since for one in self._written), default=self._began)

    def _search(self) -> None:
        # Other threads go on meanwhile.
        texts, self._texts, self._size = self._texts, [], 0
        for kind, text, since in texts:
            self.searched[kind] += bool(text)
            for spelling, secret in self.secrets.found(text, since).items():
                place = text.index(spelling)
                before = self.hide(text[max(0, place - _BEFORE) : place].decode("utf-8", "replace"))
                self._leaks[f"{kind}: {secret.origin}, behind {before!r}"] = None


class Plugin:
    """Pytest's side of it."""

    def __init__(self, config: pytest.Config) -> None:
        self._config = config
        self._watch = Watch()
        self._total: Counter[str] = Counter()

    @pytest.hookimpl(wrapper=True)
    def pytest_make_collect_report(self, collector: pytest.Collector) -> Generator[None, Any, Any]:
        self._watch.importing(collector.path if isinstance(collector, pytest.Module) else None)
        try:
            return (yield)
        finally:
            self._watch.importing(None)

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_setup(self, item: pytest.Item) -> None:
        self._watch.begin(item.path)

    @pytest.hookimpl(wrapper=True, trylast=True)
    def pytest_runtest_makereport(
        self, call: pytest.CallInfo[None]
    ) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        report = yield
        if call.when == "teardown" and (leaks := self._watch.end(report.sections)):
            report.outcome = "failed"
            report.longrepr = "A secret came out. " + "\n".join(leaks)
            report.sections = [(name, self._watch.hide(text)) for name, text in report.sections]
        return report

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        output: dict[str, Any] | None = getattr(self._config, "workeroutput", None)
        if output is not None:
            output["secrets"] = self._watch.counts()
            return
        self._total.update(self._watch.counts())
        if self._missing():
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: Any) -> None:
        self._total.update(getattr(node, "workeroutput", {}).get("secrets", {}))

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        used, plain = self._total["secrets"], self._total["plain"]
        texts = ", ".join(f"{self._total[kind]} {kind}" for kind in KINDS)
        terminalreporter.write_line(f"{used} secrets ({plain} more too plain to search for) looked for in {texts}")
        if missing := self._missing():
            terminalreporter.write_line(f"Nothing was searched of {', '.join(missing)}: see {__name__}")

    def _missing(self) -> list[str]:
        """The kinds of output that a run of the whole suite did not come by."""
        return [kind for kind in KINDS if not self._total[kind]] if _is_whole(self._config) else []


def _is_whole(config: pytest.Config) -> bool:
    """Whether the whole suite ran, in which every kind of output comes out."""
    chosen = any(
        config.getoption(name, default=None) for name in ("keyword", "markexpr", "collectonly", "lf", "deselect")
    )
    return config.args_source is pytest.Config.ArgsSource.TESTPATHS and not chosen


def pytest_configure(config: pytest.Config) -> None:
    config.pluginmanager.register(Plugin(config), "secrets")
