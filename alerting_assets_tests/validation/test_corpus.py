"""What may never pass, what may never be refused, what runs nowhere."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable
from functools import cache
from pathlib import Path

import pytest

from alerting_assets.lakehouse.port import Lakehouse
from alerting_assets.validation import Policy, QueryVerdict, Severity, read_only_problem, validate_lines
from alerting_assets_tests.golden import assert_matches
from alerting_assets_tests.validation.corpus import corpus

pytestmark = pytest.mark.integration

Verdicts = Callable[[str], list[QueryVerdict]]
GOLDEN = Path(__file__).parent / "golden"


@pytest.fixture(scope="module")
def verdicts(corpus_lakehouse: Lakehouse) -> Verdicts:
    @cache
    def of(name: str) -> list[QueryVerdict]:
        found = list(validate_lines(corpus_lakehouse, corpus(name), Policy()))
        assert [verdict.id for verdict in found] == [item["id"] for item in corpus(name)]
        return found

    return of


def test_no_hostile_text_passes_and_no_file_changes(verdicts: Verdicts, corpus_root: Path) -> None:
    before = fingerprint(corpus_root)
    found = verdicts("hostile")
    assert len(found) >= 150
    assert [verdict.id for verdict in found if verdict.verdict == "VALID"] == []
    assert fingerprint(corpus_root) == before


NAMES_ONLY = frozenset(
    {
        "show in a query", "hint that is no hint", "user-defined functions", "functions of other engines", "identifier clause",
        "table_changes on a forbidden name", "other catalogs and schemas", "templates",
    }
)  # fmt: skip
"""Kinds of texts of which some do nothing but name what is not there, or may not be read."""


def test_hostile_texts_are_stopped_before_an_engine_sees_them() -> None:
    passed = [item for item in corpus("hostile") if read_only_problem(item["sql"]) is None]
    assert [item["id"] for item in passed if item["why"] not in NAMES_ONLY] == []
    assert len(passed) < 40


def test_schemas_that_are_not_allowed_cannot_be_read(corpus_lakehouse: Lakehouse) -> None:
    policy = Policy(allowed_schemas=("health_monitor.gold",))
    others = ("main.", "system.", "hive_metastore.", "samples.", "global_temp.", "bronze.", "silver.")
    items = [item for item in [*corpus("hostile"), *corpus("legitimate")] if read_only_problem(item["sql"]) is None]
    items = [item for item in items if any(re.search(rf"(?<![.\w]){name}\w", item["sql"]) for name in others)]
    assert len(items) > 20
    for verdict in validate_lines(corpus_lakehouse, items, policy):
        assert verdict.verdict == "INVALID", verdict


def test_no_legitimate_query_is_refused(verdicts: Verdicts) -> None:
    found = verdicts("legitimate")
    assert len(found) >= 150
    refused = [(verdict.id, verdict.findings[0].text) for verdict in found if verdict.verdict == "INVALID"]
    assert refused == []


def test_what_the_embedded_engine_cannot_judge_is_listed(verdicts: Verdicts) -> None:
    """docs/validation.md sums these up. A new line here is a query that used to be judged."""
    lines = []
    for verdict in verdicts("legitimate"):
        if verdict.verdict == "UNSUPPORTED":
            (finding,) = [item for item in verdict.findings if item.severity is Severity.UNSUPPORTED]
            lines.append(re.sub(r"\d{4}-\d\d-\d\dT\S+", "…", f"{verdict.id} {finding.rule}: {finding.message}"))
    assert_matches(GOLDEN / "unsupported.txt", "\n".join(lines) + "\n")


def test_broken_queries_are_found(verdicts: Verdicts) -> None:
    found = verdicts("broken")
    assert len(found) >= 150
    missed = [verdict.id for verdict in found if verdict.verdict == "VALID"]
    assert len(missed) < len(found) / 100, missed
    invalid = sum(verdict.verdict == "INVALID" for verdict in found)
    assert invalid > 0.92 * len(found)


def test_a_finding_says_where(verdicts: Verdicts) -> None:
    """Line and column, wherever a name is missing."""
    kinds = {item["id"]: item["kind"] for item in corpus("broken")}
    missing = [item for item in verdicts("broken") if kinds[item.id] == "missing_table" and item.verdict == "INVALID"]
    assert missing
    assert [verdict.id for verdict in missing if verdict.findings[0].line is None] == []


def fingerprint(root: Path) -> dict[str, str]:
    return {
        str(path.relative_to(root)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(root.rglob("*"))
        if path.is_file()
    }
