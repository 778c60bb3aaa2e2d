"""The house keeps its order: imports go down the list in pyproject.toml, which is the one of the README, and name what it declares."""

import ast
import re
import sys
import tomllib
from collections.abc import Iterable, Iterator
from importlib.metadata import packages_distributions
from pathlib import Path
from typing import Any

import pytest
from importlinter.cli import EXIT_STATUS_SUCCESS, lint_imports

pytestmark = pytest.mark.unit

CHECKOUT = Path(__file__).parents[1]


def test_imports_go_down_the_house() -> None:
    assert lint_imports(str(CHECKOUT / "pyproject.toml")) == EXIT_STATUS_SUCCESS


def test_the_readme_names_every_room_in_order() -> None:
    contract = tomllib.loads((CHECKOUT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"][0]
    rooms = [layer.removeprefix("alerting_assets.") for layer in contract["layers"]]
    places = re.search(r"## Where things are(.*?)(?=\n## |\Z)", (CHECKOUT / "README.md").read_text(), re.DOTALL)
    assert places is not None
    named = [name for name in re.findall(r"`(\w+)`", places[1]) if name in rooms]
    assert named == [room for room in rooms if room not in ("__main__", "dagster_home")]


def project() -> dict[str, Any]:
    found: dict[str, Any] = tomllib.loads((CHECKOUT / "pyproject.toml").read_text())["project"]
    return found


def pins(requirements: Iterable[str]) -> dict[str, str]:
    """Name → version, of exact pins. `Foo.Bar[extra]==1` is foo-bar's."""
    found = {}
    for requirement in requirements:
        name, version = requirement.split("==")
        found[re.sub(r"[-_.]+", "-", name.partition("[")[0]).lower()] = version
    return found


def imported(folder: str) -> Iterator[tuple[str, str]]:
    """(file, package) of every import of somebody else's code, also of those inside functions."""
    own = {"alerting_assets", "alerting_assets_tests", *(file.stem for file in (CHECKOUT / "benchmarks").glob("*.py"))}
    for file in sorted((CHECKOUT / folder).rglob("*.py")):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module] if isinstance(node, ast.ImportFrom) and node.module else []
            for package in {name.partition(".")[0] for name in names} - own - sys.stdlib_module_names:
                yield str(file.relative_to(CHECKOUT)), package


@pytest.mark.parametrize(
    ("folder", "extras"),
    [("alerting_assets", ()), ("alerting_assets_tests", ("dev", "browser")), ("benchmarks", ("dev",))],
)
def test_what_is_imported_is_declared(folder: str, extras: tuple[str, ...]) -> None:
    """What only comes along with another package goes when that one does without it."""
    optional = [requirement for extra in extras for requirement in project()["optional-dependencies"][extra]]
    declared = pins([*project()["dependencies"], *optional]).keys()
    distributions = packages_distributions()
    undeclared = {
        (file, package)
        for file, package in imported(folder)
        if declared.isdisjoint(pins(f"{name}==" for name in distributions.get(package, [package])))
    }
    # It is pytest that loads the plugin, so whoever uses it has pytest.
    assert undeclared - {("alerting_assets/pytest_plugin.py", "pytest")} == set()


def test_what_is_declared_is_pinned_as_it_was_resolved() -> None:
    resolved = pins(re.findall(r"^\S+==\S+", (CHECKOUT / "requirements.lock").read_text(), re.MULTILINE))
    declared = pins([*project()["dependencies"], *project()["optional-dependencies"]["dev"]])
    assert declared.items() <= resolved.items()
