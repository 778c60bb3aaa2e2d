from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from deltalake import DeltaTable
from hypothesis import given
from hypothesis import strategies as st

from alerting_assets.incidents.fold import Row, fold
from alerting_assets.incidents.news import States
from alerting_assets.incidents.store import advance, catch_up, read_states, rebuild
from alerting_assets.incidents.writing import write_states
from alerting_assets.lakehouse.embedded import EmbeddedLakehouse
from alerting_assets.lakehouse.port import Lakehouse
from alerting_assets.lakehouse.tables import ALERT_HISTORY, ALERT_INCIDENTS, ALERT_STATE, create_tables
from alerting_assets_tests.incidents.histories import (
    REOPEN,
    comparable,
    evaluations,
    meant,
    minute,
    record,
    row,
    stored,
    timeline,
)
from alerting_assets_tests.profile import examples

pytestmark = pytest.mark.integration

TABLES = (ALERT_HISTORY.name, ALERT_STATE.name, ALERT_INCIDENTS.name)


class Tables:
    """One lakehouse, so that its SQL engine starts once, whose three tables are empty again after `renew`."""

    def __init__(self, folder: Path) -> None:
        self.schema = folder / "lakehouse" / "cat" / "main"
        self.lakehouse = EmbeddedLakehouse(folder / "lakehouse", "cat", "main")
        create_tables(self.lakehouse)
        self.template = folder / "template"
        for name in TABLES:
            shutil.copytree(self.schema / name, self.template / name)

    def renew(self, *names: str) -> Lakehouse:
        for name in names or TABLES:
            shutil.rmtree(self.schema / name)
            shutil.copytree(self.template / name, self.schema / name)
        return self.lakehouse


@pytest.fixture(scope="module")
def tables(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tables]:
    tables = Tables(tmp_path_factory.mktemp("incidents"))
    with tables.lakehouse:
        yield tables


@pytest.fixture
def lakehouse(tables: Tables) -> Lakehouse:
    return tables.renew()


def is_true(lakehouse: Lakehouse, rows: list[Row]) -> None:
    assert comparable(stored(lakehouse)) == comparable(meant(rows, REOPEN))


def versions(lakehouse: Lakehouse) -> list[int]:
    return [lakehouse.version(name).version for name in TABLES]


def write_people(lakehouse: Lakehouse, incident_ids: list[str], **columns: Any) -> None:
    rows = [{"incident_id": incident_id, **columns} for incident_id in incident_ids]
    if rows:
        lakehouse.merge(ALERT_INCIDENTS.name, pa.Table.from_pylist(rows), on=["incident_id"], insert=False)


def labels(lakehouse: Lakehouse) -> dict[str, str]:
    """Incident → label, of those that have one."""
    rows = lakehouse.read(ALERT_INCIDENTS.name, ["incident_id", "label"]).to_pylist()
    return {item["incident_id"]: item["label"] for item in rows if item["label"] is not None}


STEPS = st.lists(
    st.sampled_from(["record", "record", "catch up", "look", "rebuild", "maintain", "retain", "label"]), max_size=6
)


@examples(12, 300)
@given(evaluations(), STEPS, st.integers(1, 25))
def test_whatever_happens_the_tables_say_what_all_evaluations_mean(
    tables: Tables, rows: list[Row], steps: list[str], cutoff: int
) -> None:
    """Evaluations come in no order and in several commits. Retention deletes those before the cutoff, once the tables know of any;
    nothing older comes after it. Where an incident was labelled, there is one with a label at the end."""
    lakehouse = tables.renew()
    waiting, came, labelled = list(rows), list[Row](), set[str]()
    for step in [*steps, "record all", "catch up"]:
        if step.startswith("record"):
            count = len(waiting) if step == "record all" else (len(waiting) + 1) // 2
            record(lakehouse, waiting[:count])
            came += waiting[:count]
            waiting = waiting[count:]
        elif step == "catch up":
            catch_up(lakehouse, REOPEN)
            is_true(lakehouse, came)
        elif step == "look":
            before = versions(lakehouse)
            states = read_states(lakehouse, REOPEN)
            expected = meant(came, REOPEN)[1]
            found = {alert_id: (state.status, state.since) for alert_id, state in states.by_id.items()}
            assert found == {key: (one["evaluation_status"], one["status_since"]) for key, one in expected.items()}
            assert versions(lakehouse) == before
        elif step == "rebuild":
            rebuild(lakehouse, REOPEN)
            is_true(lakehouse, came)
        elif step == "maintain":
            lakehouse.maintain(ALERT_HISTORY.name, 30)
        elif step == "retain" and stored(lakehouse)[1]:
            lakehouse.delete_where(ALERT_HISTORY.name, f"evaluated_at < '{minute(cutoff):%Y-%m-%dT%H:%M:%SZ}'")
            waiting = [item for item in waiting if item.evaluated_at >= minute(cutoff)]
        elif step == "label":
            incidents, _ = stored(lakehouse)
            labelled |= set(list(incidents)[:2])
            write_people(
                lakehouse, list(incidents)[:2], label="TRUE_POSITIVE", label_source="me", labelled_at=minute(0)
            )
    assert bool(labels(lakehouse)) == bool(labelled)
    once_more = versions(lakehouse)
    catch_up(lakehouse, REOPEN)
    assert versions(lakehouse) == once_more, "nothing new makes no commit"


def test_a_late_evaluation_moves_what_people_wrote_to_the_incident_that_it_opens(lakehouse: Lakehouse) -> None:
    rows = timeline("OO.TT")
    record(lakehouse, rows)
    catch_up(lakehouse, REOPEN)
    (old,) = stored(lakehouse)[0]
    write_people(lakehouse, [old], acknowledged_by="ann", acknowledged_at=minute(4))
    write_people(lakehouse, [old], label="TRUE_POSITIVE", label_source="bob", labelled_at=minute(5))
    late = row(2, "T", evaluation_id="late")
    record(lakehouse, [late])
    catch_up(lakehouse, REOPEN)
    is_true(lakehouse, [*rows, late])
    (found,) = lakehouse.read(ALERT_INCIDENTS.name).to_pylist()
    assert found["incident_id"] != old
    assert (found["acknowledged_by"], found["acknowledged_at"], found["label"], found["label_source"]) == (
        *("ann", minute(4), "TRUE_POSITIVE", "bob"),
    )


def test_a_late_recovery_makes_two_incidents_of_one(lakehouse: Lakehouse) -> None:
    rows = timeline("TT.....TT")
    record(lakehouse, rows)
    catch_up(lakehouse, REOPEN)
    late = row(2, "O", evaluation_id="late")
    record(lakehouse, [late])
    catch_up(lakehouse, REOPEN)
    is_true(lakehouse, [*rows, late])
    assert len(stored(lakehouse)[0]) == 2


def test_an_evaluation_that_is_recorded_twice_counts_once(lakehouse: Lakehouse) -> None:
    rows = timeline("OTT")
    record(lakehouse, rows)
    catch_up(lakehouse, REOPEN)
    record(lakehouse, rows[1:])
    catch_up(lakehouse, REOPEN)
    is_true(lakehouse, rows)
    rebuild(lakehouse, REOPEN)
    is_true(lakehouse, rows)


def test_a_rebuild_mends_what_somebody_broke_and_says_how_much(lakehouse: Lakehouse) -> None:
    rows = timeline("OTTO....T") + timeline("OOTO", "B") + timeline("TO", "C")
    record(lakehouse, rows)
    catch_up(lakehouse, REOPEN)
    first, *_, last = sorted(lakehouse.read(ALERT_INCIDENTS.name).to_pylist(), key=lambda item: item["opened_at"])
    write_people(lakehouse, [last["incident_id"]], label="FALSE_POSITIVE", evaluations=77)
    lakehouse.delete_where(ALERT_INCIDENTS.name, f"incident_id = '{first['incident_id']}'")
    ghost = {**last, "incident_id": "ghost", "label": None}
    lakehouse.merge(ALERT_INCIDENTS.name, pa.Table.from_pylist([ghost]), on=["incident_id"])
    lakehouse.merge(
        ALERT_STATE.name,
        pa.Table.from_pylist([{"alert_id": "B", "evaluation_status": "ERROR"}]),
        on=["alert_id"],
        insert=False,
    )
    seen = list[tuple[int, int]]()
    found = rebuild(lakehouse, REOPEN, lambda done, total: seen.append((done, total)))
    assert (found.states, found.states_changed, found.states_removed) == (3, 1, 0)
    assert (found.incidents, found.incidents_added, found.incidents_changed, found.incidents_removed) == (4, 1, 1, 1)
    assert seen == [(1, 3), (2, 3), (3, 3)]
    is_true(lakehouse, rows)
    assert labels(lakehouse) == {last["incident_id"]: "FALSE_POSITIVE"}
    before = versions(lakehouse)
    again = rebuild(lakehouse, REOPEN)
    assert (again.states_changed, again.incidents_added, again.incidents_changed, again.incidents_removed) == (
        0,
        0,
        0,
        0,
    )
    assert versions(lakehouse) == before


def test_a_history_that_was_restored_to_an_older_version_is_what_counts(tables: Tables, lakehouse: Lakehouse) -> None:
    rows = timeline("TTO") + timeline("OOO", "B")
    record(lakehouse, rows)
    catch_up(lakehouse, REOPEN)
    kept = lakehouse.version(ALERT_HISTORY.name).version
    record(lakehouse, [row(9, "T"), row(9, "T", alert_id="B"), row(9, "T", alert_id="NEW")])
    catch_up(lakehouse, REOPEN)
    DeltaTable(tables.schema / ALERT_HISTORY.name).restore(kept)
    catch_up(lakehouse, REOPEN)
    is_true(lakehouse, rows)
    record(lakehouse, [row(10, "T")])
    catch_up(lakehouse, REOPEN)
    is_true(lakehouse, [*rows, row(10, "T")])


def test_a_history_that_was_put_back_from_a_copy_is_what_counts(
    tables: Tables, lakehouse: Lakehouse, tmp_path: Path
) -> None:
    """It reaches the versions that the tables know by other commits."""
    rows = timeline("TT") + timeline("OO", "B")
    record(lakehouse, rows)
    folder = tables.schema / ALERT_HISTORY.name
    shutil.copytree(folder, tmp_path / "copy")
    for number in range(3):
        record(
            lakehouse, [row(3 + number, "O"), row(3 + number, "T", alert_id="B"), row(9, "T", alert_id=f"C{number}")]
        )
        catch_up(lakehouse, REOPEN)
    shutil.rmtree(folder)
    shutil.copytree(tmp_path / "copy", folder)
    catch_up(lakehouse, REOPEN)
    is_true(lakehouse, rows)
    record(lakehouse, [row(3, "T", 5.0)])
    catch_up(lakehouse, REOPEN)
    is_true(lakehouse, [*rows, row(3, "T", 5.0)])


def test_a_history_that_was_made_anew_goes_on_with_what_is_older(tables: Tables, lakehouse: Lakehouse) -> None:
    """The alert that fired before goes on firing: it is one incident. What nobody evaluated since stays as it was."""
    record(lakehouse, timeline("OTT") + timeline("TO", "GONE"))
    catch_up(lakehouse, REOPEN)
    write_people(lakehouse, list(stored(lakehouse)[0]), label="TRUE_POSITIVE")
    shutil.rmtree(tables.schema / ALERT_HISTORY.name)
    create_tables(lakehouse)
    record(lakehouse, [row(5, "T", 8.0), row(6, "O")])
    catch_up(lakehouse, REOPEN)
    incidents, states = stored(lakehouse)
    assert {one["alert_id"]: one["evaluations"] for one in incidents.values()} == {"A": 3, "GONE": 1}
    assert {one["alert_id"]: one["resolved_at"] for one in incidents.values()} == {"A": minute(6), "GONE": minute(1)}
    assert states.keys() == {"A", "GONE"}
    assert len(labels(lakehouse)) == 2
    before = versions(lakehouse)
    catch_up(lakehouse, REOPEN)
    assert versions(lakehouse) == before


@pytest.mark.parametrize("written", [(ALERT_INCIDENTS.name,), (ALERT_INCIDENTS.name, ALERT_STATE.name), ()])
def test_a_process_that_was_killed_between_its_writes_leaves_nothing_wrong(
    tables: Tables, lakehouse: Lakehouse, tmp_path: Path, written: tuple[str, ...]
) -> None:
    """What was not written is as it was before; then more evaluations come."""
    rows = timeline("TTOO") + timeline("O.T", "B")
    record(lakehouse, rows)
    catch_up(lakehouse, REOPEN)
    for name in TABLES[1:]:
        shutil.copytree(tables.schema / name, tmp_path / name)
    late = [row(0.5, "O"), row(1.5, "T"), row(5, "T"), row(1, "T", alert_id="B")]
    record(lakehouse, late)
    catch_up(lakehouse, REOPEN)
    for name in TABLES[1:]:
        if name not in written:
            shutil.rmtree(tables.schema / name)
            shutil.copytree(tmp_path / name, tables.schema / name)
    more = [row(6, "O"), row(3, "O", alert_id="B")]
    record(lakehouse, more)
    catch_up(lakehouse, REOPEN)
    is_true(lakehouse, [*rows, *late, *more])


def evaluated(lakehouse: Lakehouse, states: States, rows: list[Row]) -> States:
    """As an evaluation does it: folded onto the states that were read at its beginning."""
    by_alert = {
        alert_id: [item for item in rows if item.alert_id == alert_id] for alert_id in {item.alert_id for item in rows}
    }
    folded = {alert_id: fold(states.get(alert_id), found, REOPEN) for alert_id, found in by_alert.items()}
    record(lakehouse, rows)
    return advance(lakehouse, states, folded, REOPEN, len(rows))


def test_evaluations_one_after_the_other_need_no_look_at_the_history(lakehouse: Lakehouse) -> None:
    """Those before the first of them were never folded into the tables; that is made up for in the same step."""
    earlier = timeline("TO", "B") + timeline("OT")
    record(lakehouse, earlier)
    states = read_states(lakehouse, REOPEN)
    later = [[row(2 + number, "TO"[number % 2])] for number in range(4)]
    for rows in later:
        states = evaluated(lakehouse, states, rows)
        earlier += rows
        is_true(lakehouse, earlier)
    before = versions(lakehouse)
    assert catch_up(lakehouse, REOPEN).by_id.keys() == states.by_id.keys()
    assert versions(lakehouse) == before


def test_two_evaluations_at_once_lose_nothing_and_count_nothing_twice(lakehouse: Lakehouse) -> None:
    record(lakehouse, timeline("OT") + timeline("TO", "B"))
    first, second = catch_up(lakehouse, REOPEN), read_states(lakehouse, REOPEN)
    slow = [row(2, "O", evaluation_id="slow"), row(2, "T", alert_id="B", evaluation_id="slow-b")]
    fast = [row(2.5, "T", evaluation_id="fast"), row(2.5, "T", alert_id="C", evaluation_id="fast-c")]
    evaluated(lakehouse, first, fast)
    evaluated(lakehouse, second, slow)
    is_true(lakehouse, [*timeline("OT"), *timeline("TO", "B"), *slow, *fast])


def test_who_knows_an_older_version_of_the_history_overwrites_nothing(lakehouse: Lakehouse) -> None:
    """A process reads the history, sleeps, and writes after another one that read more: a late recovery, by which the incident that the
    first one knows never was."""
    rows = timeline("O...T")
    record(lakehouse, rows)
    catch_up(lakehouse, REOPEN)
    late = row(3, "T", evaluation_id="late")
    record(lakehouse, [late])
    sleeper = read_states(lakehouse, REOPEN)
    assert sleeper.position is not None
    later = [row(2, "T", evaluation_id="later"), row(2.5, "T", alert_id="B"), row(5, "O")]
    record(lakehouse, later)
    catch_up(lakehouse, REOPEN)
    write_states(lakehouse, sleeper, REOPEN)
    is_true(lakehouse, [*rows, late, *later])
