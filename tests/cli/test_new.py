"""`outrider new`: the names that it takes, and the files that it makes."""

import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

from harness.outrider import outrider
from outrider import OutriderError, discovery
from outrider.plugin import plugin_name
from outrider_cli.new import class_name, create, module_name

ROOT = Path(__file__).parents[2]
TEMPLATE = ROOT / "cli" / "outrider_cli" / "template"


@pytest.mark.parametrize("name", ["add-header", "teapot", "oauth2", "set-team-header", "v2-auth"])
def test_the_class_of_a_new_plugin_leads_back_to_its_name(name: str, tmp_path: Path) -> None:
    found = discovery.in_folder(create(name, tmp_path) / module_name(name))
    assert [(known, cls.__name__) for known, cls in found.items()] == [(name, class_name(name))]
    assert plugin_name(found[name]) == name


@pytest.mark.parametrize(
    "name",
    ["", "Add-Header", "add_header", "add--header", "-add", "add-", "a", "add-2", "../add", "a b", "é" * 3, "x" * 41],
)
def test_a_name_that_is_not_kebab_case_is_refused_in_one_sentence(name: str, tmp_path: Path) -> None:
    with pytest.raises(OutriderError, match=r"is no name for a plugin: .* as in add-header") as raised:
        create(name, tmp_path)
    assert "\n" not in str(raised.value)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", ["json", "class", "outrider", "pytest", "tests"])
def test_a_name_that_would_hide_a_module_is_refused(name: str, tmp_path: Path) -> None:
    with pytest.raises(OutriderError, match=f"would hide the Python module {name}"):
        create(name, tmp_path)


def test_the_name_of_an_installed_plugin_is_refused(tmp_path: Path) -> None:
    with pytest.raises(OutriderError, match="'key-auth' is installed already"):
        create("key-auth", tmp_path)


def test_what_is_there_already_is_not_touched(tmp_path: Path) -> None:
    (tmp_path / "add-header").write_text("mine")
    with pytest.raises(OutriderError, match="is there already: choose another name"):
        create("add-header", tmp_path)
    assert (tmp_path / "add-header").read_text() == "mine"


def test_a_folder_that_can_not_be_written_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(OutriderError, match="can't be written"):
        create("add-header", tmp_path / "absent")


def test_the_command_says_what_to_do_next_and_refuses_with_1(tmp_path: Path) -> None:
    done = outrider("new", "add-header", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert "cd add-header" in done.stdout
    again = outrider("new", "add-header", cwd=tmp_path)
    assert (again.returncode, len(again.stderr.splitlines())) == (1, 1)


def test_nothing_of_the_template_is_left_in_the_new_files(tmp_path: Path) -> None:
    folder = create("add-header", tmp_path)
    files = [file for file in folder.rglob("*") if file.is_file()]
    assert len(files) == len([file for file in TEMPLATE.rglob("*") if file.is_file()])
    for file in files:
        told = f"{file.relative_to(folder)} {file.read_text()}".lower()
        assert not any(word in told for word in ("my-plugin", "my_plugin", "myplugin", ".txt"))


def test_the_new_code_is_as_strict_as_ours(tmp_path: Path) -> None:
    folder = create("add-header", tmp_path)
    rules = ["--isolated", "--no-cache", "--select", "ANN,ARG,B,E,F,I,N,PL,PT,RUF,UP,W"]
    ruff = [sys.executable, "-m", "ruff"]
    for command in ([*ruff, "check", *rules, "--line-length", "118"], [*ruff, "format", "--check", "--isolated"]):
        done = subprocess.run([*command, "."], cwd=folder, capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
    mypy = [sys.executable, "-m", "mypy", "--strict", "--cache-dir", str(ROOT / ".mypy_cache" / "new"), "."]
    done = subprocess.run(mypy, cwd=folder, capture_output=True, text=True, timeout=110, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_template_is_in_what_is_distributed(tmp_path: Path) -> None:
    build = [sys.executable, "-m", "hatchling", "build", "--directory", str(tmp_path)]
    subprocess.run(build, cwd=ROOT, capture_output=True, timeout=100, check=True)
    [wheel], [sdist] = tmp_path.glob("*.whl"), tmp_path.glob("*.tar.gz")
    wanted = {str(file.relative_to(TEMPLATE)) for file in TEMPLATE.rglob("*") if file.is_file()}
    with zipfile.ZipFile(wheel) as archive:
        assert {f"outrider_cli/template/{name}" for name in wanted} <= set(archive.namelist())
    with tarfile.open(sdist) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
        assert {f"cli/outrider_cli/template/{name}" for name in wanted} <= names
