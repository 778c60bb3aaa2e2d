"""The tables of rules in docs/validation.md are those of the code. ALERTING_WRITE_GOLDEN=1 writes them anew."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path

import pytest

from alerting_assets.lakehouse.functions import documented
from alerting_assets.lakehouse.port import Lakehouse
from alerting_assets.validation import RULES, Group, Policy, validate_lines
from alerting_assets_tests.validation.corpus import corpus

PAGE = Path(__file__).parents[2] / "docs" / "validation.md"
START = "<!-- rules: written by alerting_assets_tests/validation/test_docs.py -->\n"
END = "<!-- end of rules -->"


def tables() -> str:
    parts = []
    for group in Group:
        rows = [
            f"| `{rule.name}` | {rule.severity} | {' '.join((rule.__doc__ or '').split()).replace('|', chr(92) + '|')} |"
            for rule in RULES
            if rule.group is group
        ]
        parts.append("\n".join([f"| {group} | default | |", "|---|---|---|", *rows]))
    return "\n" + "\n\n".join(parts) + "\n\n"


def test_every_rule_is_in_the_docs_as_it_is() -> None:
    page = PAGE.read_text(encoding="utf-8")
    before, _, rest = page.partition(START)
    found, _, after = rest.partition(END)
    if os.environ.get("ALERTING_WRITE_GOLDEN"):
        found = tables()
        PAGE.write_text(before + START + found + END + after, encoding="utf-8")
    assert found == tables()


def test_numbers_in_the_docs() -> None:
    page = PAGE.read_text(encoding="utf-8")
    golden = (Path(__file__).parent / "golden" / "unsupported.txt").read_text(encoding="utf-8").splitlines()
    assert f"{len(documented())} names" in page
    assert f"Of {len(corpus('legitimate'))}\nlegitimate queries in the tests these are {len(golden)} " in page


@pytest.mark.integration
def test_the_example_of_lines_in_the_docs(lakehouse: Lakehouse) -> None:
    given, wanted = re.findall(r"```json\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.S)
    items = [json.loads(line) for line in given.splitlines()]
    verdicts = [verdict.json() for verdict in validate_lines(lakehouse, items, Policy())]
    assert verdicts == [json.loads(line) for line in wanted.splitlines()]
