"""What every engine must do: inherit `LakehouseConformance` and give it the engine."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from deltalake import DeltaTable

from alerting_assets.errors import ChangesUnavailable, LakehouseError, QueryError, QueryErrorKind, TableNotFound
from alerting_assets.lakehouse.arrow import arrow_schema
from alerting_assets.lakehouse.delta import version_of
from alerting_assets.lakehouse.port import Column, Lakehouse, MergeResult, TableName, TableSpec, TableVersion
from alerting_assets.lakehouse.tables import TABLES, create_tables
from alerting_assets.sql_literal import moment_literal
from alerting_assets_tests.lakehouse.writers import WritersConformance

THINGS = TableSpec(
    name="things",
    comment="one column of every type that our tables have, and more",
    key=("id", "part"),
    columns=(
        Column("id", "string", nullable=False, comment="the key"),
        Column("part", "string"),
        Column("text", "string"),
        Column("number", "double"),
        Column("small", "int"),
        Column("big", "bigint"),
        Column("flag", "boolean"),
        Column("day", "date"),
        Column("at", "timestamp"),
        Column("price", "decimal(10,2)"),
        Column("words", "array<string>"),
        Column("tags", "map<string,string>"),
        Column("column", "int", comment="a word of SQL"),
        Column("Mixed", "string"),
    ),
)
SCHEMA = arrow_schema(THINGS)
AT = datetime(2026, 3, 29, 1, 30, 0, 123456, tzinfo=UTC)
HOSTILE = (
    "it's",
    'say "x"',
    "back\\slash \\' \\n",
    "new\nline\r\ttab",
    "ünï çödé 数 💥",
    "'; DROP TABLE things; --",
    "${catalog} {{x}} $1 ? :p",
    "`tick`",
    "nul \0 inside",
    "",
    " ",
)


def things(*rows: dict[str, Any]) -> pa.Table:
    """Rows with the columns that the first one has."""
    schema = pa.schema([field for field in SCHEMA if field.name in rows[0]])
    return pa.Table.from_pylist(list(rows), schema=schema)


FULL = {
    "id": "a",
    "part": "1",
    "text": "x",
    "number": 1.5,
    "small": -1,
    "big": 2**53 + 1,
    "flag": True,
    "day": date(2026, 2, 28),
    "at": AT,
    "price": Decimal("12345678.90"),
    "words": ["b", "a", None],
    "tags": [("k", "v"), ("l", None)],
    "column": 7,
    "Mixed": "m",
}


class LakehouseConformance(WritersConformance):
    @abstractmethod
    def open(self, folder: Path) -> Lakehouse:
        """An engine with catalog `cat` and schema `main`, and no tables in an empty folder."""

    @abstractmethod
    def table_folder(self, folder: Path, table: str) -> Path:
        """Where the files of a table of `main` lie."""

    @abstractmethod
    def drop(self, engine: Lakehouse, folder: Path, table: str) -> None:
        """Away with a table, as somebody does it who is not this package."""

    @pytest.fixture
    def engine(self, tmp_path: Path) -> Iterator[Lakehouse]:
        with self.open(tmp_path) as engine:
            engine.create_table(THINGS)
            yield engine

    @pytest.fixture(scope="class")
    def readable(self, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lakehouse]:
        """One for all tests that only read; it holds FULL and one row of NULLs."""
        with self.open(tmp_path_factory.mktemp("readable")) as engine:
            engine.create_table(THINGS)
            engine.append("things", things(FULL, {"id": "nulls"}))
            yield engine

    # -- create

    def test_a_created_table_has_the_columns_nullability_and_comments_of_its_spec(self, engine: Lakehouse) -> None:
        assert engine.table_columns("things") == THINGS.columns

    def test_creating_our_tables_again_changes_nothing(self, engine: Lakehouse, tmp_path: Path) -> None:
        def versions() -> list[TableVersion]:
            return [version_of(DeltaTable(self.table_folder(tmp_path, spec.name))) for spec in TABLES]

        create_tables(engine)
        before = versions()
        create_tables(engine)
        assert versions() == before

    def test_a_column_that_was_added_to_the_spec_appears_and_old_rows_hold_null(self, engine: Lakehouse) -> None:
        engine.append("things", things(FULL))
        later = Column("later", "map<string,string>", nullable=False, comment="new")
        engine.create_table(TableSpec("things", "", (*THINGS.columns, later), THINGS.key))
        assert engine.table_columns("things")[-1] == Column("later", "map<string,string>", comment="new")
        assert engine.read("things", ["later"]).to_pylist() == [{"later": None}]

    def test_a_column_that_left_the_spec_stays(self, engine: Lakehouse) -> None:
        engine.create_table(TableSpec("things", "", THINGS.columns[:2], THINGS.key))
        assert engine.table_columns("things") == THINGS.columns

    def test_a_column_of_another_type_is_refused_with_table_column_and_both_types(self, engine: Lakehouse) -> None:
        retyped = TableSpec("things", "", (*THINGS.columns[:2], Column("text", "double")), THINGS.key)
        with pytest.raises(LakehouseError, match=r"cat\.main\.things, column text: is string, must be double"):
            engine.create_table(retyped)

    def test_maintenance_keeps_every_row_and_makes_few_files_of_many(self, engine: Lakehouse, tmp_path: Path) -> None:
        for number in range(6):
            engine.append("things", things({"id": str(number)}))
        files = len(DeltaTable(self.table_folder(tmp_path, "things")).file_uris())
        before = sorted(row["id"] for row in engine.read("things", ["id"]).to_pylist())
        engine.maintain("things", 30)
        assert sorted(row["id"] for row in engine.read("things", ["id"]).to_pylist()) == before
        assert len(DeltaTable(self.table_folder(tmp_path, "things")).file_uris()) < files

    def test_a_commit_is_known_again_and_told_from_another_one_of_the_same_version(self, engine: Lakehouse) -> None:
        engine.append("things", things({"id": "a"}))
        head = engine.version("things").version
        commit = engine.commit("things", head)
        assert commit is not None
        engine.append("things", things({"id": "b"}, {"id": "c"}))
        assert engine.commit("things", head) == commit
        assert engine.commit("things", head + 1) not in (None, commit)
        assert engine.commit("things", head + 2) is None

    # -- append and read

    def test_every_type_survives_append_and_read(self, engine: Lakehouse) -> None:
        engine.append("things", things(FULL))
        assert engine.read("things").to_pylist() == [FULL]

    def test_rows_are_read_by_a_condition(self, engine: Lakehouse) -> None:
        engine.append("things", things({"id": "a", "at": AT, "text": "x"}, {"id": "b", "at": None, "text": "x"}))
        engine.append("things", things({"id": "c", "at": AT, "text": None}))
        moment = f"at >= '{AT:%Y-%m-%dT%H:%M:%S.%fZ}'"
        assert engine.read("things", ["id"], where=f"{moment} AND text IS NULL").to_pylist() == [{"id": "c"}]
        assert sorted(engine.read("things", where="id IN ('a', 'b')").column("id").to_pylist()) == ["a", "b"]
        assert engine.read("things", where="id = 'nobody'").column_names == list(FULL)

    def test_columns_left_out_are_null(self, engine: Lakehouse) -> None:
        engine.append("things", things({"id": "a"}))
        assert engine.read("things").to_pylist() == [{**dict.fromkeys(FULL), "id": "a"}]

    def test_an_append_is_one_commit_and_returns_its_version(self, engine: Lakehouse) -> None:
        before = engine.version("things").version
        assert engine.append("things", things({"id": "a"}, {"id": "b"})) == before + 1
        assert engine.version("things").version == before + 1

    def test_appending_no_rows_makes_no_commit(self, engine: Lakehouse) -> None:
        before = engine.version("things")
        assert engine.append("things", things({"id": "a"}).slice(0, 0)) == before.version
        assert engine.version("things") == before

    def test_times_of_other_zones_are_stored_as_the_same_instant_in_utc(self, engine: Lakehouse) -> None:
        zone = timezone(timedelta(hours=-7))
        rows = pa.table({"id": ["a"], "at": pa.array([AT.astimezone(zone)], pa.timestamp("ns", tz="-07:00"))})
        engine.append("things", rows)
        assert engine.read("things").field("at").type == pa.timestamp("us", tz="UTC")
        assert engine.read("things").column("at").to_pylist() == [AT]

    def test_null_in_a_required_column_is_refused_with_its_name(self, engine: Lakehouse) -> None:
        with pytest.raises(LakehouseError, match=r"cat\.main\.things, column id is NOT NULL"):
            engine.append("things", pa.table({"id": pa.array([None], pa.string())}))

    def test_a_column_that_the_table_lacks_is_refused_with_its_name(self, engine: Lakehouse) -> None:
        with pytest.raises(LakehouseError, match=r"cat\.main\.things has no column wrong"):
            engine.append("things", pa.table({"id": ["a"], "wrong": [1]}))

    def test_a_value_that_does_not_fit_the_type_is_refused_with_column_and_types(self, engine: Lakehouse) -> None:
        with pytest.raises(LakehouseError, match=r"column small: string cannot be stored as int"):
            engine.append("things", pa.table({"id": ["a"], "small": ["many"]}))

    @pytest.mark.parametrize("action", ["read", "version", "table_columns"])
    def test_a_table_that_does_not_exist_is_named(self, engine: Lakehouse, action: str) -> None:
        with pytest.raises(TableNotFound, match=r"cat\.main\.nothing does not exist"):
            getattr(engine, action)("nothing")

    def test_writing_to_a_table_that_does_not_exist_does_not_create_it(self, engine: Lakehouse) -> None:
        with pytest.raises(TableNotFound, match=r"cat\.main\.nothing"):
            engine.append("nothing", things({"id": "a"}))
        assert engine.tables() == (TableName("cat", "main", "things"),)

    # -- merge

    def test_a_merge_inserts_what_is_new_and_updates_what_differs(self, engine: Lakehouse) -> None:
        engine.append("things", things({"id": "a", "text": "old"}, {"id": "b", "text": "same"}))
        rows = things({"id": "a", "text": "new"}, {"id": "b", "text": "same"}, {"id": "c", "text": "c"})
        assert engine.merge("things", rows, on=["id"]) == MergeResult(inserted=1, updated=1)
        assert texts(engine) == {"a": "new", "b": "same", "c": "c"}

    def test_merging_the_same_rows_again_makes_no_commit(self, engine: Lakehouse) -> None:
        rows = things(
            FULL, {**dict.fromkeys(FULL), "id": "nulls", "part": "1"}, {**FULL, "part": "nan", "number": float("nan")}
        )
        engine.merge("things", rows, on=THINGS.key)
        before = engine.version("things")
        assert engine.merge("things", rows, on=THINGS.key) == MergeResult(0, 0)
        assert engine.version("things") == before

    def test_a_merge_leaves_unchanged_rows_out_of_the_change_feed(self, engine: Lakehouse) -> None:
        engine.append("things", things({"id": "a", "text": "old"}, {"id": "b", "text": "same"}))
        before = engine.version("things").version
        engine.merge("things", things({"id": "a", "text": "new"}, {"id": "b", "text": "same"}), on=["id"])
        assert set(engine.changes("things", before).rows.column("id").to_pylist()) == {"a"}

    def test_a_difference_in_one_column_counts_in_both_directions(self, engine: Lakehouse) -> None:
        """A row a column, which differs in that column only."""
        columns = [name for name in FULL if name not in THINGS.key]
        full = [{**FULL, "id": column} for column in columns]
        one_is_null = [{**row, row["id"]: None} for row in full]
        engine.append("things", things(*full))
        for rows in (one_is_null, full):
            assert engine.merge("things", things(*rows), on=THINGS.key) == MergeResult(0, len(columns))
            assert engine.merge("things", things(*rows), on=THINGS.key) == MergeResult(0, 0)

    def test_maps_are_compared_regardless_of_the_order_of_their_entries(self, engine: Lakehouse) -> None:
        engine.append("things", things({"id": "a", "tags": [("x", "1"), ("y", "2")]}))
        assert engine.merge("things", things({"id": "a", "tags": [("y", "2"), ("x", "1")]}), on=["id"]).updated == 0
        assert engine.merge("things", things({"id": "a", "tags": [("y", "2"), ("x", "3")]}), on=["id"]).updated == 1

    def test_a_null_in_the_key_matches_a_null(self, engine: Lakehouse) -> None:
        engine.append(
            "things", things({"id": "a", "part": None, "text": "old"}, {"id": "a", "part": "1", "text": "one"})
        )
        result = engine.merge("things", things({"id": "a", "part": None, "text": "new"}), on=THINGS.key)
        assert result == MergeResult(inserted=0, updated=1)
        assert sorted(engine.read("things").column("text").to_pylist()) == ["new", "one"]

    def test_only_the_columns_of_update_are_set_on_matched_rows(self, engine: Lakehouse) -> None:
        engine.append("things", things({"id": "a", "text": "old", "small": 1}))
        rows = things({"id": "a", "text": "new", "small": 2}, {"id": "b", "text": "b", "small": 3})
        assert engine.merge("things", rows, on=["id"], update=["small"]) == MergeResult(1, 1)
        found = {row["id"]: (row["text"], row["small"]) for row in engine.read("things").to_pylist()}
        assert found == {"a": ("old", 2), "b": ("b", 3)}

    def test_an_empty_update_only_inserts(self, engine: Lakehouse) -> None:
        engine.append("things", things({"id": "a", "text": "old"}))
        rows = things({"id": "a", "text": "new"}, {"id": "b", "text": "b"})
        assert engine.merge("things", rows, on=["id"], update=()) == MergeResult(1, 0)
        assert texts(engine) == {"a": "old", "b": "b"}

    def test_without_insert_unmatched_rows_are_left_out(self, engine: Lakehouse) -> None:
        engine.append("things", things({"id": "a", "text": "old"}))
        rows = things({"id": "a", "text": "new"}, {"id": "b", "text": "b"})
        assert engine.merge("things", rows, on=["id"], insert=False) == MergeResult(0, 1)
        assert texts(engine) == {"a": "new"}

    def test_a_condition_over_source_columns_that_the_table_lacks_decides_the_update(self, engine: Lakehouse) -> None:
        engine.append("things", things({"id": "a", "at": AT, "text": "x"}, {"id": "b", "at": AT, "text": "x"}))
        rows = pa.table({"id": ["a", "b"], "text": ["y", "y"], "now": [AT - timedelta(1), AT + timedelta(1)]})
        result = engine.merge("things", rows, on=["id"], insert=False, matched_if="target.at < source.now")
        assert result == MergeResult(0, 1)
        assert texts(engine) == {"a": "x", "b": "y"}

    def test_a_merge_among_some_rows_takes_the_others_for_absent(self, engine: Lakehouse) -> None:
        old, new = AT - timedelta(1), AT + timedelta(1)
        engine.append("things", things({"id": "a", "at": old, "text": "x"}, {"id": "b", "at": new, "text": "x"}))
        rows = things({"id": "a", "at": old, "text": "y"}, {"id": "b", "at": new, "text": "y"})
        recent = f"target.at >= '{AT:%Y-%m-%dT%H:%M:%S.%fZ}'"
        assert engine.merge("things", rows, on=["id"], insert=False, among=recent) == MergeResult(0, 1)
        assert texts(engine) == {"a": "x", "b": "y"}
        before = engine.version("things")
        assert engine.merge("things", rows, on=["id"], insert=False, among=recent) == MergeResult(0, 0)
        assert engine.version("things") == before
        assert engine.merge("things", rows, on=["id"], among=recent) == MergeResult(1, 0)
        assert engine.read("things").num_rows == 3

    def test_the_same_key_twice_in_the_rows_is_refused_with_the_key(self, engine: Lakehouse) -> None:
        with pytest.raises(LakehouseError, match=r"the key id='a' occurs 2 times"):
            engine.merge("things", things({"id": "a", "text": "1"}, {"id": "a", "text": "2"}), on=["id"])
        assert engine.read("things").num_rows == 0

    def test_inserting_without_a_required_column_is_refused_with_its_name(self, engine: Lakehouse) -> None:
        with pytest.raises(LakehouseError, match="NOT NULL column id"):
            engine.merge("things", things({"part": "1", "text": "x"}), on=["part"])

    def test_hostile_text_survives_every_kind_of_write_as_it_is(self, engine: Lakehouse) -> None:
        rows = things(*({"id": text, "text": text, "tags": [(text, text)], "words": [text]} for text in HOSTILE))
        engine.merge("things", rows, on=["id"])
        assert engine.merge("things", rows, on=["id"]) == MergeResult(0, 0)
        assert sorted(engine.read("things").column("text").to_pylist()) == sorted(HOSTILE)
        assert engine.delete("things", rows.select(["id"])) == len(HOSTILE)

    # -- delete

    def test_delete_removes_the_rows_of_the_keys_and_says_how_many(self, engine: Lakehouse) -> None:
        engine.append("things", things({"id": "a", "part": "1"}, {"id": "a", "part": None}, {"id": "b", "part": None}))
        assert engine.delete("things", things({"id": "a", "part": None}, {"id": "z", "part": "9"})) == 1
        assert engine.delete("things", things({"id": "a"}, {"id": "a"})) == 1
        assert engine.read("things").column("id").to_pylist() == ["b"]

    def test_a_delete_that_matches_nothing_makes_no_commit(self, engine: Lakehouse) -> None:
        engine.append("things", things({"id": "a"}))
        before = engine.version("things")
        assert engine.delete("things", things({"id": "z"})) == 0
        assert engine.delete("things", things({"id": "z"}).slice(0, 0)) == 0
        assert engine.version("things") == before

    def test_rows_are_deleted_by_a_condition_and_are_the_only_ones_in_the_change_feed(self, engine: Lakehouse) -> None:
        later = AT + timedelta(microseconds=1)
        engine.append("things", things({"id": "a", "at": AT}, {"id": "b", "at": later}, {"id": "c", "at": None}))
        engine.append("things", things({"id": "d", "at": AT}))
        before = engine.version("things").version
        condition = f"at < '{later:%Y-%m-%dT%H:%M:%S.%fZ}' AND id <> 'd'"
        assert engine.delete_where("things", condition) == 1
        assert sorted(engine.read("things").column("id").to_pylist()) == ["b", "c", "d"]
        feed = engine.changes("things", before).rows.to_pylist()
        assert [(row["_change_type"], row["id"]) for row in feed] == [("delete", "a")]

    def test_a_condition_that_no_row_fulfils_deletes_nothing_and_makes_no_commit(self, engine: Lakehouse) -> None:
        engine.append("things", things({"id": "a", "number": None}))
        before = engine.version("things")
        assert engine.delete_where("things", "number > 1") == 0
        assert engine.version("things") == before

    def test_a_condition_that_all_rows_fulfil_empties_the_table(self, engine: Lakehouse) -> None:
        engine.append("things", things({"id": "a", "number": 1.0}, {"id": "b", "number": 2.0}))
        assert engine.delete_where("things", "number >= 1") == 2
        assert engine.read("things").num_rows == 0

    # -- changes

    def test_changes_hold_inserts_both_images_of_updates_and_deletes_in_order(self, engine: Lakehouse) -> None:
        start = engine.version("things").version
        engine.append("things", things({"id": "a", "text": "1"}, {"id": "b", "text": "1"}))
        engine.merge("things", things({"id": "a", "text": "2"}), on=["id"])
        engine.delete("things", things({"id": "b"}))
        changes = engine.changes("things", start)
        found = [
            (row["_commit_version"] - start, row["_change_type"], row["id"], row["text"])
            for row in changes.rows.to_pylist()
        ]
        assert sorted(found[:2]) == [(1, "insert", "a", "1"), (1, "insert", "b", "1")]
        assert sorted(found[2:4]) == [(2, "update_postimage", "a", "2"), (2, "update_preimage", "a", "1")]
        assert found[4:] == [(3, "delete", "b", "1")]
        assert changes.head == engine.version("things")

    def test_changes_since_the_head_are_empty_with_all_columns(self, engine: Lakehouse) -> None:
        engine.append("things", things(FULL))
        head = engine.version("things")
        changes = engine.changes("things", head.version)
        assert changes.rows.num_rows == 0
        assert changes.head == head
        assert changes.rows.schema.equals(engine.changes("things", head.version - 1).rows.schema)

    def test_changes_since_a_version_beyond_the_head_are_unavailable(self, engine: Lakehouse) -> None:
        with pytest.raises(ChangesUnavailable, match=r"cat\.main\.things is at version 0"):
            engine.changes("things", 1)

    def test_changes_reach_across_a_column_that_was_added(self, engine: Lakehouse) -> None:
        engine.append("things", things({"id": "a"}))
        engine.create_table(TableSpec("things", "", (*THINGS.columns, Column("later", "string")), THINGS.key))
        engine.append("things", things({"id": "b"}))
        rows = engine.changes("things", 0).rows
        assert [(row["id"], row["later"]) for row in rows.to_pylist()] == [("a", None), ("b", None)]

    def test_changes_that_were_cleaned_up_are_unavailable(self, engine: Lakehouse, tmp_path: Path) -> None:
        for number in range(3):
            engine.append("things", things({"id": str(number)}))
        folder = self.table_folder(tmp_path, "things")
        DeltaTable(folder).create_checkpoint()
        for version in range(3):
            (folder / "_delta_log" / f"{version:020}.json").unlink()
        with pytest.raises(
            ChangesUnavailable, match=r"cat\.main\.things: the change feed does not reach back to version 0"
        ):
            engine.changes("things", 0)
        head = engine.version("things").version
        engine.append("things", things({"id": "new"}))
        assert engine.changes("things", head).rows.column("id").to_pylist() == ["new"]

    def test_a_table_without_a_change_feed_says_how_to_turn_it_on(self, engine: Lakehouse, tmp_path: Path) -> None:
        folder = self.table_folder(tmp_path, "things")
        DeltaTable(folder).alter.set_table_properties({"delta.enableChangeDataFeed": "false"})
        with pytest.raises(ChangesUnavailable, match=r"cat\.main\.things has no change feed: set .*=true"):
            engine.changes("things", 0)
        engine.create_table(THINGS)
        head = engine.version("things").version
        engine.append("things", things({"id": "a"}))
        assert engine.changes("things", head).rows.num_rows == 1

    def test_a_table_that_was_made_again_has_another_id_and_a_life_of_its_own(
        self, engine: Lakehouse, tmp_path: Path
    ) -> None:
        engine.append("things", things({"id": "old"}))
        before = engine.version("things")
        self.drop(engine, tmp_path, "things")
        with pytest.raises(TableNotFound, match=r"cat\.main\.things does not exist"):
            engine.version("things")
        engine.create_table(THINGS)
        after = engine.version("things")
        assert after.table_id != before.table_id
        assert after.version < before.version
        engine.append("things", things({"id": "new"}))
        assert engine.changes("things", 0).rows.column("id").to_pylist() == ["new"]
        assert engine.query("SELECT id FROM things").to_pylist() == [{"id": "new"}]

    # -- query and describe

    def test_every_type_and_null_survives_a_query(self, readable: Lakehouse) -> None:
        rows = readable.query("SELECT * FROM cat.main.things ORDER BY id")
        assert rows.to_pylist() == [FULL, {**dict.fromkeys(FULL), "id": "nulls"}]
        assert rows.schema.field("at").type == pa.timestamp("us", tz="UTC")

    @pytest.mark.parametrize("name", ["things", "main.things", "cat.main.things", "`cat`.`main`.`things`"])
    def test_tables_are_found_by_short_and_full_names(self, readable: Lakehouse, name: str) -> None:
        assert readable.query(f"SELECT COUNT(*) AS n FROM {name}").to_pylist() == [{"n": 2}]

    def test_some_rows_are_selected_in_their_order(self, engine: Lakehouse) -> None:
        moments = [AT + timedelta(microseconds=number) for number in range(5)]
        engine.append("things", things(*({"id": str(index), "at": at} for index, at in enumerate(moments))))
        where = f"id <> '4' AND at <= {moment_literal(moments[3])}"
        found = engine.read("things", ["id", "at"], where=where, order_by="at DESC, id", limit=2)
        assert found.to_pylist() == [{"id": "3", "at": moments[3]}, {"id": "2", "at": moments[2]}]
        where = f"at > {moment_literal(moments[4])}"
        assert engine.read("things", ["column"], where=where, order_by="at", limit=2).num_rows == 0
        with pytest.raises(LakehouseError, match="nothing"):
            engine.read("things", ["nothing"], where="id = '1'", order_by="id", limit=1)

    def test_the_session_runs_in_utc(self, readable: Lakehouse) -> None:
        row = readable.query("SELECT hour(at) AS h, CAST(at AS STRING) AS s FROM things WHERE id = 'a'").to_pylist()[0]
        assert row == {"h": 1, "s": "2026-03-29 01:30:00.123456"}

    def test_describe_gives_columns_and_types_without_running_the_query(self, readable: Lakehouse) -> None:
        columns = readable.describe(
            "SELECT text, CAST(SUM(big) AS DOUBLE) AS v, MAX(at) m, MAX(price) p FROM things GROUP BY text"
        )
        assert [(column.name, column.type) for column in columns] == [
            ("text", "string"),
            ("v", "double"),
            ("m", "timestamp"),
            ("p", "decimal(10,2)"),
        ]
        assert readable.describe("SELECT CAST(raise_error('ran') AS DOUBLE) AS v FROM things")[0].name == "v"

    @pytest.mark.parametrize(
        ("sql", "names"),
        [
            ("SELECT SUM(big) AS v FROM things HAVING COUNT(*) > 0", ("v",)),
            (
                "SELECT text, MAX(at) AS `last one`, MIN(at) AS `a, b` FROM things GROUP BY text",
                ("text", "last one", "a, b"),
            ),
            ("SELECT 1 AS v, 2 AS v", ("v", "v")),
            ("SELECT 'x] as w' AS v FROM things WHERE 1 = 0", ("v",)),
        ],
    )
    def test_output_names_are_those_of_describe(self, readable: Lakehouse, sql: str, names: tuple[str, ...]) -> None:
        assert readable.output_names(sql) == names
        assert tuple(column.name for column in readable.describe(sql)) == names

    def test_output_names_says_what_is_wrong_as_describe_does(self, readable: Lakehouse) -> None:
        for sql in ("SELECT nope FROM things", "SELECT 1 FROM nope", "SELECT CAST('a' AS INT)", "SELEC 1"):
            errors = []
            for ask in (readable.describe, readable.output_names):
                with pytest.raises(QueryError) as caught:
                    ask(sql)
                errors.append((caught.value.kind, caught.value.message, caught.value.line, caught.value.column))
            assert errors[0] == errors[1]

    @pytest.mark.parametrize(
        ("sql", "kind", "name", "positions"),
        [
            ("SELECT 1 FROM cat.main.nope", QueryErrorKind.MISSING_TABLE, "cat.main.nope", {(1, 15)}),
            ("SELECT 1\nFROM nope", QueryErrorKind.MISSING_TABLE, "nope", {(2, 6)}),
            ("SELECT text,\n  nope FROM things", QueryErrorKind.MISSING_COLUMN, "nope", {(2, 3)}),
            ("SELECT t.nope FROM things t", QueryErrorKind.MISSING_COLUMN, "t.nope", {(1, 8)}),
            ("SELECT 'ü💥', a b c FROM things", QueryErrorKind.SYNTAX, None, {(1, 18)}),
            ("SELECT text FROM things\nWHERE text =", QueryErrorKind.SYNTAX, None, {(2, 13)}),
            ("SELEC 1", QueryErrorKind.SYNTAX, None, {(1, 1), (1, 7)}),
            ("SELECT big + at FROM things", QueryErrorKind.TYPE_MISMATCH, None, {(None, None), (1, 8)}),
            ("SELECT AVG(flag) FROM things", QueryErrorKind.TYPE_MISMATCH, "avg", {(1, 8)}),
            ("SELECT nofunction(text) FROM things", QueryErrorKind.OTHER, "nofunction", {(1, 8)}),
            ("SELECT CAST('a' AS INT)", QueryErrorKind.RUNTIME, None, {(None, None), (1, 8)}),
        ],
    )
    def test_describe_says_what_is_wrong_and_where(
        self,
        readable: Lakehouse,
        sql: str,
        kind: QueryErrorKind,
        name: str | None,
        positions: set[tuple[int | None, int | None]],
    ) -> None:
        """positions: where engines see it; not each of them says, and a parser may stop at the word before or after."""
        with pytest.raises(QueryError) as caught:
            readable.describe(sql)
        error = caught.value
        assert (error.kind, error.name) == (kind, name)
        assert (error.line, error.column) in positions
        assert len(error.message) <= 300
        assert "\n" not in error.message

    def test_a_column_outside_the_groups_is_refused(self, readable: Lakehouse) -> None:
        """The embedded engine is stricter than others, so it only says that it cannot judge; the validator has a second opinion."""
        with pytest.raises(QueryError) as caught:
            readable.describe("SELECT id, COUNT(*) FROM things GROUP BY text")
        assert caught.value.kind in (QueryErrorKind.OTHER, QueryErrorKind.UNSUPPORTED)

    def test_an_error_that_only_running_shows_is_a_runtime_error(self, readable: Lakehouse) -> None:
        sql = "SELECT CAST(text AS INT) AS v FROM things"
        assert readable.describe(sql) == (Column("v", "int"),)
        with pytest.raises(QueryError) as caught:
            readable.query(sql)
        assert caught.value.kind is QueryErrorKind.RUNTIME

    def test_a_query_that_takes_longer_than_it_may_is_stopped_and_the_next_one_runs(self, readable: Lakehouse) -> None:
        slow = "SELECT SUM(SQRT(id)) AS v FROM range(1000000000000)"
        with pytest.raises(QueryError, match="2 seconds") as caught:
            readable.query(slow, seconds=2.0)
        assert caught.value.kind is QueryErrorKind.TIMEOUT
        assert readable.query("SELECT 1 AS one", seconds=60.0).to_pylist() == [{"one": 1}]

    def test_a_query_sees_what_was_just_written(self, engine: Lakehouse) -> None:
        for number in range(3):
            assert engine.query("SELECT COUNT(*) AS n FROM things").to_pylist() == [{"n": number}]
            engine.merge("things", things({"id": str(number)}), on=["id"])

    # -- views

    def test_a_view_is_queried_described_listed_and_replaced(self, engine: Lakehouse) -> None:
        engine.append("things", things({"id": "a", "text": "it's"}))
        engine.create_view("some_view", "SELECT id, text FROM things WHERE text = 'it\\'s'")
        engine.create_view("view_of_view", "SELECT COUNT(*) AS n FROM cat.main.some_view")
        assert engine.query("SELECT n FROM view_of_view").to_pylist() == [{"n": 1}]
        assert [column.name for column in engine.table_columns("some_view")] == ["id", "text"]
        assert TableName("cat", "main", "some_view") in engine.tables()
        engine.create_view("some_view", "SELECT id FROM things WHERE id = 'z'")
        assert engine.query("SELECT n FROM cat.main.view_of_view").to_pylist() == [{"n": 0}]

    def test_a_view_that_cannot_work_is_refused_and_the_old_one_stays(self, engine: Lakehouse) -> None:
        engine.create_view("some_view", "SELECT 1 AS one")
        with pytest.raises(QueryError) as caught:
            engine.create_view("some_view", "SELECT nope FROM things")
        assert caught.value.kind is QueryErrorKind.MISSING_COLUMN
        assert engine.query("SELECT one FROM some_view").to_pylist() == [{"one": 1}]

    def test_a_view_cannot_take_the_name_of_a_table(self, engine: Lakehouse) -> None:
        with pytest.raises(LakehouseError, match="there is a table of this name"):
            engine.create_view("things", "SELECT 1 AS one")

    def test_a_metric_view_gives_its_measures_and_is_replaced(self, engine: Lakehouse) -> None:
        """None of the engines of these tests has metric views of this version, so each makes the plain one."""
        engine.append("things", things({"id": "a", "part": "1"}, {"id": "b", "part": "1"}))
        for measure, value in (("COUNT(id)", 2), ("COUNT(id) * 10", 20), ("COUNT(id) * 10", 20)):
            definition = (
                'version: "1.1"\nsource: cat.main.things\ndimensions: [{name: piece, expr: part}]\n'
                f"measures: [{{name: number, expr: {measure}}}]"
            )
            plain = f"SELECT part AS piece, {measure} AS number FROM cat.main.things GROUP BY part"
            engine.create_metric_view("measured", definition, plain)
            assert engine.query("SELECT * FROM measured").to_pylist() == [{"piece": "1", "number": value}]

    def test_a_metric_view_cannot_take_the_name_of_a_table(self, engine: Lakehouse) -> None:
        definition = 'version: "1.1"\nsource: cat.main.things\nmeasures: [{name: number, expr: COUNT(id)}]'
        with pytest.raises(LakehouseError, match="there is a table of this name"):
            engine.create_metric_view("things", definition, "SELECT COUNT(id) AS number FROM cat.main.things")

    def test_views_come_back_when_the_lakehouse_is_opened_again(self, tmp_path: Path) -> None:
        with self.open(tmp_path) as engine:
            engine.create_view("z_first", "SELECT 1 AS one")
            engine.create_view("a_second", "SELECT one + 1 AS two FROM z_first")
        with self.open(tmp_path) as engine:
            assert engine.query("SELECT two FROM a_second").to_pylist() == [{"two": 2}]


def texts(engine: Lakehouse) -> dict[str, str]:
    return {row["id"]: row["text"] for row in engine.read("things").to_pylist()}
