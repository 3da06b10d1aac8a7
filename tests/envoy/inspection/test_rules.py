"""What a look at a running Envoy finds: nothing where it fits its file, and each thing that was broken."""

from dataclasses import replace
from inspect import isfunction
from types import ModuleType

import pytest

from harness.inspected import BASES, Base
from harness.inspected_breaks import Case, one_endpoint
from harness.inspected_cases import CASES
from harness.inspected_route_cases import ROUTE_CASES
from outrider_envoy import inspection
from outrider_envoy.inspection import Finding, inspect
from outrider_envoy.inspection.finding import Words, name_of

ALL = [*CASES, *ROUTE_CASES]
MODULES = [module for name, module in vars(inspection).items() if name.endswith("_rules")]


def rules_of(module: ModuleType) -> set[str]:
    """All rules that are written there, whether they are used or not."""
    own = (one for one in vars(module).values() if isfunction(one) and one.__module__ == module.__name__)
    return {name_of(one) for one in own if one.__annotations__.get("return") is Words}


def found(base: Base, case: Case) -> list[Finding]:
    envoy = base(case.base)
    case.broken(envoy)
    return inspect(envoy.dump, envoy.plan)


@pytest.mark.parametrize("name", BASES)
def test_an_envoy_that_fits_has_nothing_wrong(base: Base, name: str) -> None:
    envoy = base(name)
    assert inspect(envoy.dump, envoy.plan) == []


@pytest.mark.parametrize("case", ALL, ids=lambda case: f"{name_of(case.rule)} {case.base}")
def test_what_is_broken_is_found(base: Base, case: Case) -> None:
    said = [one for one in found(base, case) if one.rule == name_of(case.rule)]
    assert said, f"nothing was found by {name_of(case.rule)}"
    assert any(case.words.lstrip("?") in str(one) for one in said), said
    assert {one.word.mistake for one in said} == {not case.words.startswith("?")}


def test_every_rule_has_a_case() -> None:
    every = set[str]().union(*map(rules_of, MODULES))
    assert len(every) > 50
    assert {name_of(case.rule) for case in ALL} == every


def test_the_cores_of_this_machine_are_no_measure_of_another_one(base: Base) -> None:
    """As many workers as cores is only a default: the workers may run elsewhere."""
    envoy = base("ext_proc")
    one_endpoint(envoy)
    configuration = envoy.plan.configuration
    gateway = configuration.gateway.model_copy()
    gateway.model_fields_set.discard("workers")
    (found,) = inspect(envoy.dump, replace(envoy.plan, configuration=replace(configuration, gateway=gateway)))
    assert (found.rule, found.word.mistake) == ("cluster_rules.few_endpoints", False)
    assert "which is by default this machine's cores" in str(found)
