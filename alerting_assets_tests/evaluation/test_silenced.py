"""What a silenced alert does as it is deployed, on the embedded engine, and as the local workspace decides it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given

from alerting_assets.lakehouse.scratch import ScratchEngine
from alerting_assets_tests.profile import examples
from alerting_assets_tests.silenced import Quiet, expected, quiet_cases, states

pytestmark = pytest.mark.integration


@pytest.fixture(scope="module")
def engine() -> Iterator[ScratchEngine]:
    with ScratchEngine() as scratch:
        yield scratch


@examples(10, 200)
@given(drawn=quiet_cases(moments=6))
def test_it_never_fires_in_a_silence_and_outside_it_is_as_if_there_was_none(
    engine: ScratchEngine, drawn: tuple[dict[str, Any], Quiet]
) -> None:
    case, silences = drawn
    for moment, state, plain in states(engine.query, case, silences):
        assert state == expected(silences, moment, plain), moment
