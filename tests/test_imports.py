"""Who may import whom: the arrows of the design, read from the source."""

import ast
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
ALLOWED = {
    "outrider": set[str](),
    "outrider_plugins": {"outrider"},
    "outrider_envoy": {"outrider"},
    "outrider_kong": {"outrider"},
    "outrider_cli": {"outrider", "outrider_plugins", "outrider_envoy", "outrider_kong"},
}
FOLDERS = {
    "outrider": "pdk",
    "outrider_plugins": "plugins",
    "outrider_envoy": "envoy",
    "outrider_kong": "kong",
    "outrider_cli": "cli",
}
GATEWAYS = {"envoy", "kong", "kong_pdk", "grpc", "grpc_health", "google", "xds"}


def imported(package: str) -> Iterator[tuple[Path, str]]:
    """Each file of a package with each top-level name that it imports."""
    for file in sorted((ROOT / FOLDERS[package] / package).rglob("*.py")):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            for name in _names(node, package):
                yield file.relative_to(ROOT), name


def _names(node: ast.AST, package: str) -> list[str]:
    if isinstance(node, ast.Import):
        return [alias.name.partition(".")[0] for alias in node.names]
    if isinstance(node, ast.ImportFrom):
        return [package if node.level else (node.module or "").partition(".")[0]]
    return []


@pytest.mark.parametrize("package", ALLOWED)
def test_a_package_imports_only_those_of_ours_that_it_may(package: str) -> None:
    ours = ALLOWED.keys() - ALLOWED[package] - {package}
    assert [(str(file), name) for file, name in imported(package) if name in ours] == []


@pytest.mark.parametrize("package", ["outrider", "outrider_plugins"])
def test_neither_the_contract_nor_a_plugin_knows_a_gateway(package: str) -> None:
    assert [(str(file), name) for file, name in imported(package) if name in GATEWAYS] == []


@pytest.mark.parametrize("package", ALLOWED)
def test_each_package_has_a_source_root_of_its_own(package: str) -> None:
    root = ROOT / FOLDERS[package]
    assert (root / package / "__init__.py").is_file()
    assert (root / package / "py.typed").is_file()
    assert not (root / "__init__.py").exists(), "it would shadow a name that another distribution owns"


def test_there_is_no_package_among_the_tests() -> None:
    assert list((ROOT / "tests").rglob("__init__.py")) == []


def test_no_plugin_imports_another() -> None:
    folder = ROOT / "plugins" / "outrider_plugins"
    scripts = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["entry-points"]
    plugins = {value.partition(":")[0] for value in scripts["outrider.plugins"].values()}
    assert plugins
    for file in folder.glob("*.py"):
        tree = ast.parse(file.read_text(encoding="utf-8"))
        modules = {node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
        assert modules.isdisjoint(plugins), file.name
