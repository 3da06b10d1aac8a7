"""What may go wrong with every request is told once a minute."""

import logging

import pytest

from outrider.quiet_log import QUIET, QuietLog


def test_a_line_is_followed_by_a_minute_without_any(caplog: pytest.LogCaptureFixture) -> None:
    now = [5.0]
    log = QuietLog(logging.getLogger("outrider.test"), lambda: now[0])
    for step in (0.0, QUIET - 1, 1.0, QUIET):
        now[0] += step
        log.error("told %s", now[0])
        log.warning("never told")
    assert [(one.levelname, one.getMessage()) for one in caplog.records] == [
        ("ERROR", "told 5.0"),
        ("ERROR", "told 65.0"),
        ("ERROR", "told 125.0"),
    ]


def test_it_may_be_a_warning(caplog: pytest.LogCaptureFixture) -> None:
    QuietLog(logging.getLogger("outrider.test")).warning("told %s", 1)
    assert [(one.levelname, one.getMessage()) for one in caplog.records] == [("WARNING", "told 1")]
