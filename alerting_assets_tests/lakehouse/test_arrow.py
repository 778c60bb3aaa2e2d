from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alerting_assets.errors import LakehouseError
from alerting_assets.lakehouse.arrow import arrow_schema, arrow_type, column_of, spark_type
from alerting_assets.lakehouse.tables import TABLES

pytestmark = pytest.mark.unit

PLAIN = (
    "string",
    "boolean",
    "tinyint",
    "smallint",
    "int",
    "bigint",
    "float",
    "double",
    "date",
    "timestamp",
    "timestamp_ntz",
    "binary",
)
decimals = st.integers(1, 38).flatmap(lambda p: st.integers(0, p).map(lambda s: f"decimal({p},{s})"))
names = st.from_regex(r"[a-z_][a-z0-9_]{0,8}", fullmatch=True)
spark_types = st.recursive(
    st.sampled_from(PLAIN) | decimals,
    lambda inner: (
        inner.map(lambda item: f"array<{item}>")
        | st.tuples(inner, inner).map(lambda pair: f"map<{pair[0]},{pair[1]}>")
        | st.dictionaries(names, inner, min_size=1, max_size=3).map(
            lambda fields: f"struct<{','.join(f'{name}:{type}' for name, type in fields.items())}>"
        )
    ),
    max_leaves=6,
)


@given(spark_types)
def test_every_spark_type_survives_the_way_to_arrow_and_back(simple: str) -> None:
    assert spark_type(arrow_type(simple)) == simple


@pytest.mark.parametrize(
    "wrong", ["", "text", "array<string", "array<string>>", "map<string>", "decimal(10)", "decimal(a,b)", "int;"]
)
def test_a_type_that_delta_does_not_have_is_named_in_the_error(wrong: str) -> None:
    with pytest.raises(LakehouseError, match="is not a Spark type"):
        arrow_type(wrong)


def test_names_nullability_and_comments_of_our_tables_survive_the_way_to_arrow_and_back() -> None:
    for spec in TABLES:
        assert tuple(column_of(field) for field in arrow_schema(spec)) == spec.columns
