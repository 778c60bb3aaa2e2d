"""What a silenced alert does as it is deployed, on Spark."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given

from alerting_assets.lakehouse.port import Lakehouse
from alerting_assets.lakehouse.spark import LocalSparkLakehouse
from alerting_assets_tests.decisions import inline
from alerting_assets_tests.profile import examples
from alerting_assets_tests.silenced import Quiet, expected, quiet_cases, states

pytestmark = [pytest.mark.integration, pytest.mark.usefixtures("jvm")]


@pytest.fixture(scope="module")
def spark(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lakehouse]:
    with LocalSparkLakehouse(tmp_path_factory.mktemp("silenced"), "health_monitor", "gold") as engine:
        yield engine


@examples(8, 60)
@given(drawn=quiet_cases(moments=6))
def test_it_never_fires_in_a_silence_and_outside_it_is_as_if_there_was_none(
    spark: Lakehouse, drawn: tuple[dict[str, Any], Quiet]
) -> None:
    def ask(tables: Sequence[pa.Table], sql_of: Callable[[Sequence[str]], str]) -> pa.Table:
        return spark.query(sql_of([inline(table) for table in tables]))

    case, silences = drawn
    for moment, state, plain in states(ask, case, silences):
        assert state == expected(silences, moment, plain), moment
