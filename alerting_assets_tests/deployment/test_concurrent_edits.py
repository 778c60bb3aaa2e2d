"""Many people edit alert_configurations while syncs run: no edit is lost, no status is lost, and it comes to an end."""

from __future__ import annotations

import random
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime

import pytest

from alerting_assets.configuration import delete_alert, read_rows, set_fields
from alerting_assets.deployment import find_work
from alerting_assets.lakehouse.tables import ALERT_CONFIGURATIONS
from alerting_assets_tests.deployment.world import World, assert_settled

pytestmark = pytest.mark.integration

ROUNDS = 2
SHARED = ("SHARED-1", "SHARED-2")
SECONDS = 240


def edit(world: World, person: int, written: dict[str, set[float]]) -> None:
    """An alert of one's own (edited by field and as a whole), two that all share, and one that comes and goes."""

    def set_threshold(alert_id: str, value: float) -> None:
        set_fields(world.lakehouse, alert_id, {"threshold_value_double": str(value)}, datetime.now(UTC))

    own, passing = f"OWN-{person:02}", f"PASSING-{person:02}"
    for round_ in range(ROUNDS):
        last = person * 1000.0 + round_
        if round_ % 2:
            set_threshold(own, last)
        else:
            world.configure(own, threshold_value_double=last, alert_query_template="SELECT 1.0 AS cost")
        shared = SHARED[(person + round_) % 2]
        set_threshold(shared, last)
        if round_ == 0:
            world.configure(passing, alert_query_template="SELECT 1.0 AS cost")
        elif round_ == 1 and person % 2:
            delete_alert(world.lakehouse, passing)
        written[own] = {last}
        written[f"{shared} {person}"] = {last}
        time.sleep(random.uniform(0, 0.2))


@pytest.mark.parametrize("people", [4, pytest.param(50, marks=pytest.mark.thorough)])
def test_no_edit_and_no_status_is_lost_while_syncs_run(world: World, people: int) -> None:
    world.configure(*SHARED, alert_query_template="SELECT 1.0 AS cost")
    world.sync()
    written: dict[str, set[float]] = {}
    have_ended = threading.Event()
    syncs = 0

    def keep_syncing() -> None:
        nonlocal syncs
        while not have_ended.is_set():
            work = find_work(world.lakehouse, "test", "local", datetime.now(UTC))
            world.sync(only=work.alert_ids, max_delete_percent=None) if syncs % 2 else world.sync(
                max_delete_percent=None
            )
            syncs += 1

    started = time.monotonic()
    with ThreadPoolExecutor(people + 1) as pool:
        syncing = pool.submit(keep_syncing)
        try:
            for future in [pool.submit(edit, world, person, written) for person in range(people)]:
                future.result(timeout=max(1.0, SECONDS - (time.monotonic() - started)))
        finally:
            have_ended.set()
        syncing.result(timeout=60)
    assert syncs > 2

    world.sync(max_delete_percent=None)
    rows = {row["alert_id"]: row for row in read_rows(world.lakehouse)}
    own = [f"OWN-{person:02}" for person in range(people)]
    passing = [f"PASSING-{person:02}" for person in range(people) if person % 2 == 0]
    assert sorted(rows) == sorted([*own, *passing, *SHARED])
    assert {name: {rows[name]["threshold_value_double"]} for name in own} == {name: written[name] for name in own}
    for name in SHARED:
        # The last write of all is the last one of whoever made it.
        last = set().union(*(values for key, values in written.items() if key.startswith(f"{name} ")))
        assert rows[name]["threshold_value_double"] in last
    states = {(row["last_sync_status"], row["last_sync_error"]) for row in rows.values()}
    assert states <= {("CREATED", None), ("UPDATED", None), ("UNCHANGED", None)}

    remote = {body["id"]: body["evaluation"]["threshold"]["value"]["double_value"] for body in world.remote()}
    assert remote == {row["databricks_alert_id"]: row["threshold_value_double"] for row in rows.values()}
    version = world.lakehouse.version(ALERT_CONFIGURATIONS.name)
    assert find_work(world.lakehouse, "test", "local", datetime.now(UTC)).is_nothing
    assert_settled(world, *rows)
    assert world.lakehouse.version(ALERT_CONFIGURATIONS.name) == version
