import contextlib
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alerting_assets.alerts.pattern import PatternError, canonical_pattern
from alerting_assets.lakehouse.scratch import ScratchEngine
from alerting_assets_tests.patterns import PATTERNS, REFUSED, TEXTS, matching_sql, python_matches


@pytest.fixture(scope="module")
def engine() -> Iterator[ScratchEngine]:
    with ScratchEngine() as scratch:
        yield scratch


@pytest.mark.integration
@pytest.mark.parametrize("pattern", PATTERNS)
def test_the_embedded_engine_finds_what_the_documentation_says(engine: ScratchEngine, pattern: str) -> None:
    (row,) = engine.query([], lambda _: matching_sql(pattern)).to_pylist()
    found = [text for text, matches in zip(TEXTS, row.values(), strict=True) if matches]
    assert found == [text for text in TEXTS if python_matches(pattern, text)]


@pytest.mark.unit
@pytest.mark.parametrize("pattern", REFUSED)
def test_what_engines_do_not_share_is_refused_with_the_reason(pattern: str) -> None:
    with pytest.raises(PatternError, match=REFUSED[pattern].replace("\\", "\\\\").replace("(", "\\(")):
        canonical_pattern(pattern)


@pytest.mark.unit
@given(pattern=st.text(max_size=12) | st.text("ab\\(){}[]*+?|^$.-,0123dws", max_size=12))
def test_any_text_is_a_pattern_or_is_refused(pattern: str) -> None:
    with contextlib.suppress(PatternError):
        assert canonical_pattern(pattern)
