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
from alerting_assets.incidents.store import States, advance, catch_up, read_states, rebuild
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
    st.sampled_from(["record", "record", "catch up", "look", "rebuild", "maintain", "retain", "label"]), max_size=9
)


@examples(25, 400)
@given(evaluations(), STEPS, st.integers(1, 25))
def test_whatever_happens_the_tables_say_what_all_evaluations_mean(
    tables: Tables, rows: list[Row], steps: list[str], cutoff: int
) -> None:
    """Evaluations come in no order and in several commits. Retention deletes those before the cutoff; nothing older comes after it.
    Incidents that were labelled are among those that hold a label at the end."""
    lakehouse = tables.renew()
    waiting, came, labelled = list(rows), list[Row](), set[str]()
    for step in [*steps, "record", "catch up"]:
        if step == "record":
            count = len(waiting) if step is steps[-1:] else (len(waiting) + 1) // 2
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
        elif step == "retain":
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
