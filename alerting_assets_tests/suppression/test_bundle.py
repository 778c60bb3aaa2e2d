from __future__ import annotations

import json
import math
from datetime import UTC
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from alerting_assets.anomaly import Model, Season, Side
from alerting_assets.suppression.bundle import Bundle, BundleError, LearnedAlert, read_bundle
from alerting_assets_tests.suppression.worlds import NOW

NUMBER = st.one_of(st.just(math.nan), st.floats(allow_nan=False, allow_infinity=False))
DAY = st.lists(NUMBER, min_size=24, max_size=24).map(np.array)
SEASON = st.builds(
    Season,
    expected=DAY,
    scale=DAY,
    margin=NUMBER,
    recurrence=st.tuples(DAY, DAY).map(np.stack),
    rise=DAY,
    episodes=st.integers(0, 99),
)
MODEL = st.builds(
    Model,
    trained_at=st.integers(0, 10**6),
    zone=st.sampled_from([UTC, ZoneInfo("Europe/Berlin"), ZoneInfo("Asia/Kolkata")]),
    seasons=st.dictionaries(st.sampled_from(Side), st.one_of(st.none(), SEASON), min_size=1),
)


@given(models=st.dictionaries(st.sampled_from(["A", "B-1", "C_2"]), MODEL))
def test_a_bundle_reads_as_it_was_written(models: dict[str, Model]) -> None:
    written = Bundle(NOW, {name: LearnedAlert(f"hash of {name}", model) for name, model in models.items()})
    read = read_bundle(written.text())
    assert read.trained_at == NOW
    assert read.learned.keys() == models.keys()
    for name, model in models.items():
        found = read.model_of(name, f"hash of {name}")
        assert found is not None
        assert (found.trained_at, str(found.zone), found.seasons.keys()) == (
            model.trained_at,
            str(model.zone),
            model.seasons.keys(),
        )
        for side, season in model.seasons.items():
            _assert_same(found.seasons[side], season)


def _assert_same(one: Season | None, other: Season | None) -> None:
    if one is None or other is None:
        assert one is other
        return
    for name in ("expected", "scale", "margin", "recurrence", "rise", "episodes"):
        np.testing.assert_array_equal(getattr(one, name), getattr(other, name))


def test_what_was_learned_of_another_measurement_is_of_no_use() -> None:
    bundle = Bundle(NOW, {"A": LearnedAlert("before", Model(1, UTC, {Side.ABOVE: None}))})
    assert bundle.model_of("A", "after") is None
    assert bundle.model_of("B", "before") is None


@pytest.mark.parametrize(
    "text", ["", "[]", "{}", json.dumps({"format": 99}), json.dumps({"format": 1, "trained_at": "today", "alerts": {}})]
)
def test_another_text_is_refused(text: str) -> None:
    with pytest.raises(BundleError):
        read_bundle(text)
