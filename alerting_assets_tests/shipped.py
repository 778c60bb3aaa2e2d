"""The example definitions that come with the repository, without whatever a person added to their folder."""

from __future__ import annotations

import atexit
import shutil
import tempfile
from functools import cache
from pathlib import Path

CHECKOUT = Path(__file__).parents[1]
FILES = (
    *("broken_on_purpose.yml", "cost.yml", "performance.yml", "quality.yml", "reliability.yml", "security.yml"),
    "routing.yml",
    "destinations/teams.yml",
    "tests/demo.yml",
)


@cache
def shipped_definitions() -> Path:
    """A folder that holds copies of them, for as long as this process runs."""
    folder = Path(tempfile.mkdtemp(prefix="alerting-shipped-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    for name in FILES:
        (folder / name).parent.mkdir(exist_ok=True)
        shutil.copy(CHECKOUT / "alerts" / name, folder / name)
    return folder
