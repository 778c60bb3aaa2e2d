"""The house keeps its order: imports go down the list in pyproject.toml, which is the one of the README."""

import re
import tomllib
from pathlib import Path

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
