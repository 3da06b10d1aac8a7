"""`outrider check FILE --envoy ADMIN` beside real Envoys that somebody wrote by hand."""

import json
from pathlib import Path

import pytest
import yaml

from harness.inspected import EXAMPLES, on_any_port
from harness.outrider import outrider
from harness.process import Envoy
from harness.rendering import Section

FILE = EXAMPLES / "envoy" / "outrider.yaml"
SECRET = "a-password-that-nobody-may-see"

WRONG = """\
listener main: message_timeout is 0.2 s, and the hooks of a chain and the queue before them may take 3.5 s: \
set message_timeout: 4.000s
listener main: requests pass when the workers fail: set failure_mode_allow: false
listener main, route orders: requests that no plugin decided on pass, as the filter envoy.filters.http.rbac \
is off there: take its typed_per_filter_config away
listener main, route uploads: outrider-route is "upload", which is no route of the file, so all requests are \
refused: did you mean "uploads"?
cluster outrider_workers: it has 1 of the endpoints of 2 workers, so the others get no work: \
add an endpoint for each worker
envoy: no route of this Envoy names the route uploads of the file, so its plugins run for nobody: \
give a route what render envoy --filters prints for it, with outrider-route: uploads
""".splitlines()


@pytest.fixture
def document() -> Section:
    """The Envoy of the guide."""
    return on_any_port(yaml.safe_load((EXAMPLES / "envoy" / "envoy.yaml").read_text(encoding="utf-8")))


def checked(binary: Path, document: Section) -> tuple[int, str, list[str]]:
    """The exit code, what was printed, and the lines of standard error after the address."""
    with Envoy(binary, document).ready() as envoy:
        admin = f"unix:{envoy.socket}"
        done = outrider("check", FILE, "--envoy", admin)
    lines = done.stderr.splitlines()
    assert all(line.startswith(f"{admin}: ") for line in lines), done.stderr
    assert SECRET not in done.stdout + done.stderr
    return done.returncode, done.stdout.replace(admin, "ADMIN"), [line.removeprefix(f"{admin}: ") for line in lines]


def test_the_envoy_of_the_guide_has_nothing_wrong(envoy_binary: Path, document: Section) -> None:
    said = f"{FILE}: no mistakes in 2 routes and 5 plugins, and none in the Envoy at ADMIN\n"
    assert checked(envoy_binary, document) == (0, said, [])


def test_a_warning_is_told_and_is_no_mistake(envoy_binary: Path, document: Section) -> None:
    workers = document["static_resources"]["clusters"][1]
    del workers["health_checks"]
    code, printed, lines = checked(envoy_binary, document)
    assert (code, "no mistakes" in printed) == (0, True)
    hangs = "warning: a worker that hangs goes on getting requests: add health_checks with a grpc_health_check"
    assert lines == [f"cluster outrider_workers: {hangs}"]


def test_all_that_is_wrong_is_said_at_once_and_no_secret(envoy_binary: Path, document: Section) -> None:
    (main,) = document["static_resources"]["listeners"]
    manager = main["filter_chains"][0]["filters"][0]["typed_config"]
    filters = manager["http_filters"]
    filters[0]["typed_config"] |= {"failure_mode_allow": True, "message_timeout": "0.200s"}
    filters[0]["typed_config"]["grpc_service"]["initial_metadata"] = [{"key": "authorization", "value": SECRET}]
    (host,) = manager["route_config"]["virtual_hosts"]
    host["request_headers_to_add"] = [{"header": {"key": "authorization", "value": SECRET}}]
    orders, uploads, _ = host["routes"]
    ext_proc_of = uploads["typed_per_filter_config"]["envoy.filters.http.ext_proc"]
    ext_proc_of["overrides"]["processing_mode"]["request_body_mode"] = "NONE"
    ext_proc_of["overrides"]["grpc_initial_metadata"][0]["value"] = "upload"
    orders["typed_per_filter_config"]["envoy.filters.http.rbac"] = {
        "@type": "type.googleapis.com/envoy.extensions.filters.http.rbac.v3.RBACPerRoute"
    }
    workers = document["static_resources"]["clusters"][1]
    workers["load_assignment"]["endpoints"][0]["lb_endpoints"].pop()
    code, printed, lines = checked(envoy_binary, document)
    assert (code, printed) == (1, "")
    assert lines == WRONG


def test_where_no_envoy_is_the_command_says_so_in_one_line() -> None:
    done = outrider("check", FILE, "--envoy", "127.0.0.1:1")
    assert (done.returncode, done.stdout) == (3, "")
    words = "no Envoy's admin interface answers there (Connection refused): is it running?"
    assert done.stderr == f"outrider: 127.0.0.1:1: {words}\n"


def test_an_address_of_no_form_is_a_wrong_command_line() -> None:
    done = outrider("check", FILE, "--envoy", "localhost")
    assert (done.returncode, done.stdout) == (2, "")
    assert "Invalid value for '--envoy': 'localhost' is no address" in done.stderr


def test_a_mistake_in_the_file_comes_first(tmp_path: Path) -> None:
    file = tmp_path / "outrider.yaml"
    file.write_text(json.dumps({"_format_version": "3.0", "servces": []}))
    done = outrider("check", file, "--envoy", "127.0.0.1:1")
    assert (done.returncode, "services" in done.stderr) == (1, True)
