"""What a model had to do with an evaluation is said in a sentence."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from alerting_assets.explanation import model_sentences
from alerting_assets.explanation.facts import Evaluated

ONE = Evaluated(
    datetime(2026, 3, 1, tzinfo=UTC),
    "own",
    "SUPPRESSED",
    420.0,
    None,
    1,
    True,
    "GREATER_THAN",
    300.0,
    None,
    None,
    None,
    "c",
    ml_score=-0.25,
    ml_suppressed=True,
    expected=41.0,
    upper=460.0,
    model_version="3",
    ml_reason="RECURRENCE",
)


def test_what_was_held_back_says_why_and_up_to_where() -> None:
    (sentence,) = model_sentences(None, ONE)
    assert "as much was there at that hour" in sentence
    assert "nobody is told" in sentence
    assert "Expected is about 41 and told is what is above 460 (ml_score -0.25, model version 3)." in sentence


def test_in_shadow_it_says_that_it_was_told_all_the_same() -> None:
    (sentence,) = model_sentences(None, replace(ONE, ml_suppressed=False, ml_shadow=True))
    assert "in shadow" in sentence
    assert "so it is told" in sentence


@pytest.mark.parametrize(
    "reason", ["OUTSIDE", "NO_RANGE", "NO_HISTORY", "PERSISTENCE", "HOLD_OVER", "BUDGET", "STALE_MODEL", "FAILED"]
)
def test_what_was_told_says_why_nothing_held_it(reason: str) -> None:
    told = replace(ONE, ml_suppressed=False, evaluation_status="TRIGGERED", ml_reason=reason)
    (sentence,) = model_sentences(None, told)
    assert reason not in sentence
    assert "held back; nobody" not in sentence


def test_without_a_model_nothing_is_said() -> None:
    assert model_sentences(None, replace(ONE, ml_reason=None, ml_suppressed=False)) == []
