"""Golden files: what we send and show, kept as files that a reviewer reads.

`ALERTING_WRITE_GOLDEN=1 .venv/bin/python -m pytest …` writes them anew; look at the diff before you commit it."""

from __future__ import annotations

import os
from pathlib import Path


def assert_matches(path: Path, text: str) -> None:
    if os.environ.get("ALERTING_WRITE_GOLDEN"):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    assert path.is_file(), f"{path.name} is missing; see alerting_assets_tests/golden.py"
    assert text == path.read_text(encoding="utf-8")
