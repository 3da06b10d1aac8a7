"""What only the storage and the algorithms know to be wrong with a rate limit service, and what counts for it."""

import asyncio
import json
from pathlib import Path

import pytest
from click.testing import CliRunner
from pydantic import BaseModel

from harness.rate_limit_service import OK, OVER, asks, of
from harness.redis_server import PRODUCTS, Product, RedisServer
from outrider.config import ConfigError
from outrider.config.rate_limit_service import Descriptor, Domain, RateLimit, RateLimitService
from outrider.metrics import Metrics
from outrider.waiting import Wait
from outrider_cli.doubts import doubts
from outrider_cli.loading import Source
from outrider_cli.main import WRONG_INPUT, main
from outrider_cli.rate_limit_service import opened
from outrider_cli.totals import totals
from outrider_envoy.proto.rate_limit_pb2 import RateLimitResponse
from outrider_envoy.rate_limit_service import RateLimitCheck, RateLimits

FILE = """_format_version: "3.0"
gateway:
  rate_limit_service:
    storage: {storage}
    on_storage_error: {on_error}
    domains:
      - domain: shop
        descriptors:
          - key: two
            rate_limit: {{unit: year, requests_per_unit: 2}}
            descriptors:
              - key: odd
                rate_limit: {{{limit}}}
          - key: many
            rate_limit: {{unit: year, requests_per_unit: 1000}}
"""
PAGE = Path(__file__).parents[2] / "docs" / "rate-limit-service.md"
GOOD = "unit: day, requests_per_unit: 5, algorithm: gcra"


def source(folder: Path, storage: str = "memory", on_error: str = "deny", limit: str = GOOD) -> Source:
    text = FILE.format(storage=storage, on_error=on_error, limit=limit)
    return Source(folder / "outrider.yaml", text)


def mistakes(found: Source) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        _ = found.configuration
    return [str(one).rpartition("outrider.yaml:")[2] for one in caught.value.mistakes]


def test_a_rate_that_no_number_can_tell_is_a_mistake_where_it_stands(tmp_path: Path) -> None:
    limit = "unit: year, requests_per_unit: 1, algorithm: gcra, burst: 4000000000"
    [mistake] = mistakes(source(tmp_path, limit=limit))
    place = "gateway.rate_limit_service.domains[0].descriptors[0].descriptors[0].rate_limit"
    assert mistake.startswith(f"13: {place}: a burst of 4000000000 is too large for so slow a rate ")
    assert ": lower burst to " in mistake


@pytest.mark.parametrize(
    ("address", "words"),
    [
        ("redis:hunter2", "is no address of Redis or Valkey"),
        ("redis+cluster://user:hunter2@one:7000,two:7000", "is a cluster"),
    ],
)
def test_an_address_that_can_not_be_used_is_a_mistake_that_does_not_show_it(
    tmp_path: Path, address: str, words: str
) -> None:
    [mistake] = mistakes(source(tmp_path, storage=address))
    assert mistake.startswith("4: gateway.rate_limit_service.storage: ")
    assert words in mistake
    assert "hunter2" not in mistake


def test_an_address_may_be_a_secret_that_stands_elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COUNTS", "redis://:hunter2@127.0.0.1:1")
    found = source(tmp_path, storage='"{vault://env/COUNTS}"')
    assert "hunter2" not in repr(found.configuration)


@pytest.mark.parametrize("model", [RateLimitService, Domain, Descriptor, RateLimit])
def test_the_page_has_every_field_with_its_default(model: type[BaseModel]) -> None:
    page = PAGE.read_text(encoding="utf-8")
    table = [line.split("|") for line in page.splitlines() if line.startswith("| `")]
    rows = {name: cells for cells in table for name in cells[1].split("`")[1::2]}
    for name, field in model.model_fields.items():
        assert name in rows or f"has `{name}`" in page, f"{name} has no row"
        default: object = field.get_default(call_default_factory=True)
        if isinstance(default, int) or (isinstance(default, str) and default):
            told = default if isinstance(default, str) else json.dumps(default)
            assert rows[name][3].strip() == f"`{told}`", name


def test_what_has_no_effect_is_worth_a_word(tmp_path: Path) -> None:
    plain = source(tmp_path)
    assert doubts(plain.configuration) == []
    text = plain.text.replace("key: two", "key: two\n            detailed_metric: true")
    [line] = doubts(Source(plain.path, text).configuration)
    place = "9: gateway.rate_limit_service.domains[0].descriptors[0]"
    assert line.endswith(f"outrider.yaml:{place}: warning: detailed_metric has no effect here: remove it")


DOUBTS = """_format_version: "3.0"
gateway:
  rate_limit_service:
    on_storage_error: allow
    domains:
      - domain: club
        descriptors:
          - {key: a, rate_limit: {unit: day, requests_per_unit: 5, name: elsewhere}}
      - domain: shop
        descriptors:
          - key: a
            descriptors:
              - key: b
                shadow_mode: true
                rate_limit: {unit: day, requests_per_unit: 5, name: b}
              - key: c
                rate_limit:
                  unlimited: true
                  replaces:
                    - name: b
                    - name: elsewhere
"""


def test_what_lets_requests_through_on_purpose_or_by_a_slip_is_worth_a_word() -> None:
    found = [line.split(": ") for line in doubts(Source(Path("o.yaml"), DOUBTS).configuration)]
    inner = "gateway.rate_limit_service.domains[1].descriptors[0].descriptors"
    assert [(line, place, what) for line, place, _, what, _ in found] == [
        (
            "o.yaml:4",
            "gateway.rate_limit_service.on_storage_error",
            "on_storage_error is allow, so what can't be counted gets through",
        ),
        ("o.yaml:14", f"{inner}[0].shadow_mode", "shadow_mode is true, so it refuses nobody"),
        (
            "o.yaml:21",
            f"{inner}[1].rate_limit.replaces[elsewhere]",
            'no limit of this domain is called "elsewhere", so it takes nobody\'s place',
        ),
    ]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    found = source(tmp_path)
    found.path.write_text(found.text)
    return found.path


@pytest.mark.parametrize("command", ["run", "serve kong", "render kong", "render kong --conf", "render envoy"])
def test_a_command_whose_gateway_asks_for_no_limits_refuses_them(command: str, file: Path) -> None:
    done = CliRunner().invoke(main, [*command.split(), str(file)])
    assert done.exit_code == WRONG_INPUT
    assert done.output.startswith(f"{file}:3: gateway.rate_limit_service: is for ")
    assert "so these limits would hold for nobody: put the plugin rate-limit in its place" in done.output


def test_what_is_for_an_envoy_of_ones_own_takes_them(file: Path) -> None:
    assert CliRunner().invoke(main, ["render", "envoy", "--filters", str(file)]).exit_code == 0
    done = CliRunner().invoke(main, ["check", str(file)])
    assert done.output == f"{file}: no mistakes in 0 routes and 0 plugins, and 3 limits in 1 domain\n"


@pytest.mark.parametrize(
    ("routes", "plugins", "words"), [(0, 0, "0 routes and 0 plugins"), (1, 1, "1 route and 1 plugin")]
)
def test_a_file_without_them_is_told_of_its_routes_and_plugins(
    tmp_path: Path, routes: int, plugins: int, words: str
) -> None:
    listed = "{name: a, url: 'http://127.0.0.1:1', routes: [{name: a, paths: [/a]}]}" * routes
    running = "{name: key-auth}" * plugins
    text = f'_format_version: "3.0"\nservices: [{listed}]\nplugins: [{running}]\n'
    assert totals(Source(tmp_path / "o.yaml", text).configuration) == words


def codes(folder: Path, found: Source, times: int) -> list[int]:
    """Asks two workers in turn."""

    async def run() -> list[int]:
        service = found.gateway.rate_limit_service
        assert service
        workers = [opened(service, folder, Metrics(slots=1 << 12)) for _ in range(2)]
        answers = [await answered(workers[turn % 2][0]) for turn in range(times)]
        for _, storage in workers:
            await storage.close()
        return answers

    return asyncio.run(run())


async def answered(limits: RateLimits) -> int:
    check = RateLimitCheck(limits)
    answer = check.receive(asks(of("many"), of("two")))
    while isinstance(answer, Wait):
        await answer.settle()
        answer = check.resume()
    check.close()
    return RateLimitResponse.FromString(answer).overall_code


def test_workers_count_together(tmp_path: Path) -> None:
    assert codes(tmp_path, source(tmp_path), 3) == [OK, OK, OVER]


@pytest.mark.parametrize("product", PRODUCTS)
def test_machines_that_share_a_redis_count_together(tmp_path: Path, product: Product) -> None:
    with RedisServer(product) as server:
        assert codes(tmp_path, source(tmp_path, storage=server.address), 3) == [OK, OK, OVER]


def test_a_redis_that_is_not_there_refuses_everybody_unless_the_file_says_otherwise(tmp_path: Path) -> None:
    nowhere = f"unix://:hunter2@{tmp_path}/nowhere"
    assert codes(tmp_path, source(tmp_path, storage=nowhere), 2) == [OVER, OVER]
    assert codes(tmp_path, source(tmp_path, storage=nowhere, on_error="local"), 3) == [OK, OK, OVER]
    assert codes(tmp_path, source(tmp_path, storage=nowhere, on_error="allow"), 3) == [OK, OK, OK]
