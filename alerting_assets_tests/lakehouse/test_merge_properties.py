from __future__ import annotations

import tempfile
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from alerting_assets.lakehouse.embedded import EmbeddedLakehouse
from alerting_assets.lakehouse.port import Column, MergeResult, TableSpec
from alerting_assets_tests.profile import examples

pytestmark = pytest.mark.integration

SPEC = TableSpec(
    "t",
    "",
    (Column("id", "string"), Column("text", "string"), Column("x", "double"), Column("tags", "map<string,string>")),
    ("id",),
)
SCHEMA = pa.schema(
    [("id", pa.string()), ("text", pa.string()), ("x", pa.float64()), ("tags", pa.map_(pa.string(), pa.string()))]
)
any_text = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
values = st.tuples(
    st.none() | any_text,
    st.none() | st.floats(allow_nan=False),
    st.none()
    | st.dictionaries(any_text, st.none() | any_text, max_size=3).map(lambda entries: tuple(sorted(entries.items()))),
)

contents = st.dictionaries(st.none() | st.sampled_from("abc") | any_text, values, max_size=6)
Contents = dict[str | None, tuple[object, ...]]


def rows(held: Contents) -> pa.Table:
    return pa.Table.from_pylist(
        [{"id": key, "text": text, "x": x, "tags": tags} for key, (text, x, tags) in held.items()], schema=SCHEMA
    )


def held(engine: EmbeddedLakehouse) -> Contents:
    table = engine.read("t").to_pylist()
    found = {
        row["id"]: (row["text"], row["x"], None if row["tags"] is None else tuple(sorted(row["tags"]))) for row in table
    }
    assert len(found) == len(table)
    return found


@examples(15, 100)
@given(st.lists(contents, min_size=1, max_size=3))
def test_merges_end_in_what_a_dictionary_ends_in_and_repeat_without_a_trace(steps: list[Contents]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        engine = EmbeddedLakehouse(Path(folder), "cat", "main")
        engine.create_table(SPEC)
        expected: Contents = {}
        for step in steps:
            new = step.keys() - expected.keys()
            changed = {key for key in step.keys() & expected.keys() if step[key] != expected[key]}
            expected.update(step)
            assert engine.merge("t", rows(step), on=["id"]) == MergeResult(len(new), len(changed))
            assert held(engine) == expected
            before = engine.version("t")
            assert engine.merge("t", rows(step), on=["id"]) == MergeResult(0, 0)
            assert engine.version("t") == before
