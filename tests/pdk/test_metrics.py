"""Metrics: what is counted, what survives, and what the page says."""

import logging
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from outrider.exposition import exposition
from outrider.metrics import Metrics, Pulse, index_path

COUNTING_FOREVER = """
import sys
from pathlib import Path
from outrider.metrics import Metrics
counter = Metrics(Path(sys.argv[1])).counter("outrider_requests_total", "Requests.")
while True:
    counter.add()
    print(int(counter.value), flush=True)
"""


def page(*paths: Path) -> list[str]:
    return exposition(paths).decode().splitlines()


def test_a_counter_adds_up() -> None:
    counter = Metrics().counter("outrider_requests_total", "Requests.")
    counter.add()
    counter.add(2)
    assert counter.value == 3


def test_the_same_series_is_one_however_often_it_is_asked_for() -> None:
    metrics = Metrics()
    metrics.counter("outrider_requests_total", "Requests.", route="a", plugin="b").add()
    again = metrics.counter("outrider_requests_total", "Requests.", plugin="b", route="a")
    other = metrics.counter("outrider_requests_total", "Requests.", plugin="b", route="c")
    assert (again.value, other.value) == (1, 0)


def test_a_gauge_goes_up_and_down() -> None:
    gauge = Metrics().gauge("outrider_requests_in_flight", "Requests in flight.")
    gauge.set(5)
    gauge.add(-2)
    assert gauge.value == 3


def test_an_observation_on_a_bound_belongs_to_the_bucket_below(tmp_path: Path) -> None:
    path = tmp_path / "worker"
    histogram = Metrics(path).histogram("outrider_hook_seconds", "Latency.", (0.1, 1.0))
    for seconds in (0.1, 0.5, 2.0):
        histogram.observe(seconds)
    assert histogram.count == 3
    assert histogram.sum == pytest.approx(2.6)
    assert histogram.sum == pytest.approx(2.6)
    lines = page(path)
    assert 'outrider_hook_seconds_bucket{le="0.1"} 1.0' in lines
    assert 'outrider_hook_seconds_bucket{le="1.0"} 2.0' in lines
    assert 'outrider_hook_seconds_bucket{le="+Inf"} 3.0' in lines
    assert "outrider_hook_seconds_count 3.0" in lines


def test_the_page_sums_all_workers(tmp_path: Path) -> None:
    for number in (1, 2):
        metrics = Metrics(tmp_path / f"worker-{number}")
        metrics.counter("outrider_requests_total", "Requests.", route="orders").add(number)
        metrics.gauge("outrider_requests_in_flight", "In flight.").set(number)
        metrics.histogram("outrider_hook_seconds", "Latency.", (1.0,)).observe(number)
    lines = page(tmp_path / "worker-1", tmp_path / "worker-2")
    assert "# TYPE outrider_requests_total counter" in lines
    assert 'outrider_requests_total{route="orders"} 3.0' in lines
    assert "outrider_requests_in_flight 3.0" in lines
    assert 'outrider_hook_seconds_bucket{le="1.0"} 1.0' in lines
    assert "outrider_hook_seconds_sum 3.0" in lines


def test_files_that_are_missing_or_half_made_count_as_nothing(tmp_path: Path) -> None:
    (tmp_path / "empty").touch()
    (tmp_path / "empty.index").touch()
    assert page(tmp_path / "missing", tmp_path / "empty")[-1] == "outrider_series_dropped_total 0.0"


def test_a_worker_that_starts_again_goes_on_with_the_same_values_but_new_gauges(tmp_path: Path) -> None:
    path = tmp_path / "worker"
    first = Metrics(path)
    first.gauge("outrider_requests_in_flight", "In flight.").set(7)
    first.counter("outrider_requests_total", "Requests.").add(3)
    first.close()
    second = Metrics(path)
    in_flight = second.gauge("outrider_requests_in_flight", "In flight.")
    requests = second.counter("outrider_requests_total", "Requests.")
    new = second.counter("outrider_faults_total", "Faults.")
    requests.add()
    assert (in_flight.value, requests.value, new.value) == (0, 4, 0)


def test_nothing_that_was_counted_is_lost_when_the_worker_is_killed(tmp_path: Path) -> None:
    path = tmp_path / "worker"
    command = [sys.executable, "-c", COUNTING_FOREVER, str(path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as worker:
        assert worker.stdout is not None
        seen = [int(worker.stdout.readline()) for _ in range(1000)][-1]
        worker.send_signal(signal.SIGKILL)
    assert Metrics(path).counter("outrider_requests_total", "Requests.").value >= seen == 1000


def test_a_torn_last_line_of_the_index_is_ignored_and_its_slots_used_again(tmp_path: Path) -> None:
    path = tmp_path / "worker"
    first = Metrics(path)
    first.counter("outrider_requests_total", "Requests.").add(3)
    first.close()
    with index_path(path).open("ab") as index:
        index.write(b'{"kind": "counter", "name": "outrider_to')
    assert "outrider_requests_total 3.0" in page(path)
    second = Metrics(path)
    second.counter("outrider_faults_total", "Faults.").add(1)
    assert second.counter("outrider_requests_total", "Requests.").value == 3
    assert "outrider_faults_total 1.0" in page(path)


def test_at_the_limit_new_series_count_into_nothing_and_say_so_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "worker"
    metrics = Metrics(path, slots=10)
    kept = metrics.counter("outrider_requests_total", "Requests.")
    with caplog.at_level(logging.ERROR):
        metrics.histogram("outrider_hook_seconds", "Latency.").observe(1.0)
        metrics.histogram("outrider_other_seconds", "Latency.").observe(1.0)
    kept.add()
    assert len(caplog.records) == 1
    assert "outrider_series_dropped_total 2.0" in page(path)
    assert "outrider_requests_total 1.0" in page(path)
    assert not any("seconds" in line for line in page(path))


def test_two_workers_cannot_share_their_files(tmp_path: Path) -> None:
    owner = Metrics(tmp_path / "worker")
    with pytest.raises(RuntimeError, match="belongs to another worker"):
        Metrics(tmp_path / "worker")
    owner.close()


@pytest.mark.parametrize("name", ["requests_total", "outrider_Requests_total", "outrider_a-b_total"])
def test_names_begin_with_outrider_and_are_lower_case_words(name: str) -> None:
    with pytest.raises(ValueError, match="no name for a metric"):
        Metrics().counter(name, "Requests.")


def test_a_counters_name_ends_in_total() -> None:
    with pytest.raises(ValueError, match="ends in _total"):
        Metrics().counter("outrider_requests", "Requests.")


def test_buckets_must_ascend() -> None:
    with pytest.raises(ValueError, match="ascend"):
        Metrics().histogram("outrider_hook_seconds", "Latency.", (1.0, 0.5))


def test_a_name_has_one_definition() -> None:
    metrics = Metrics()
    metrics.counter("outrider_requests_total", "Requests.")
    with pytest.raises(ValueError, match="already a counter"):
        metrics.counter("outrider_requests_total", "Something else.", route="a")


def test_a_metric_that_was_redefined_while_the_gateway_ran_shows_its_last_definition(tmp_path: Path) -> None:
    path = tmp_path / "worker"
    first = Metrics(path)
    first.histogram("outrider_hook_seconds", "Latency.", (1.0,)).observe(0.5)
    first.close()
    Metrics(path).histogram("outrider_hook_seconds", "Latency.", (2.0,)).observe(0.5)
    lines = page(path)
    assert 'outrider_hook_seconds_bucket{le="2.0"} 1.0' in lines
    assert not any('le="1.0"' in line for line in lines)


def test_any_label_value_can_be_shown(tmp_path: Path) -> None:
    path = tmp_path / "worker"
    Metrics(path).counter("outrider_requests_total", "Requests.", route='a"b\n\udcff').add()
    assert r'outrider_requests_total{route="a\"b\n?"} 1.0' in page(path)


def test_the_pulse_says_when_a_worker_last_beat_and_whether_it_is_ready(tmp_path: Path) -> None:
    path = tmp_path / "worker"
    metrics = Metrics(path)
    assert Pulse.read(path) == Pulse(0.0, ready=False)
    metrics.beat(12.5)
    metrics.set_ready(True)
    assert Pulse.read(path) == Pulse(12.5, ready=True)


def test_a_worker_that_starts_again_is_not_ready_until_it_says_so(tmp_path: Path) -> None:
    path = tmp_path / "worker"
    first = Metrics(path)
    first.beat(12.5)
    first.set_ready(True)
    first.close()
    Metrics(path)
    assert Pulse.read(path) == Pulse(0.0, ready=False)


def test_a_missing_worker_has_no_pulse(tmp_path: Path) -> None:
    assert Pulse.read(tmp_path / "missing") == Pulse(0.0, ready=False)
