"""The code location of other people in this process: a real instance in a folder, a clock, and a receiver of what it tells."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from dagster._core.remote_origin import InProcessCodeLocationOrigin, RemoteInstigatorOrigin, RemoteRepositoryOrigin
from dagster._core.scheduler.instigation import (
    InstigatorState,
    InstigatorStatus,
    InstigatorType,
    SensorInstigatorData,
    TickData,
    TickStatus,
)
from dagster._core.types.loadable_target_origin import LoadableTargetOrigin
from dagster._utils.error import SerializableErrorInfo

from alerting_assets import check_failure_alerts
from alerting_assets_tests.automation import foreign_location
from alerting_assets_tests.delivery.receiver import Receiver, receiving


class Foreign:
    """look: one evaluation of the sensor. Its clock is behind the real one by nothing, and goes on by `later`."""

    def __init__(self, folder: Path, instance: dg.DagsterInstance, receiver: Receiver) -> None:
        self.folder, self.instance, self.receiver = folder, instance, receiver
        self.ahead = timedelta()
        self.cursor: str | None = None
        self.troubles: dict[str, str] = {}
        self._told = 0
        self.set()
        self.sensor = self.sensor_with()

    def sensor_with(self, **options: Any) -> dg.SensorDefinition:
        given = {"home": self.folder / "home", "dagster_url": "http://dagster.example.com", "clock": self.now}
        return check_failure_alerts("webhook+env:OPS_URL", **{**given, **options})

    def now(self) -> datetime:
        return datetime.now(UTC) + self.ahead

    def later(self, **span: float) -> None:
        self.ahead += timedelta(**span)

    def set(self, **reasons: str | None) -> None:
        """What goes wrong from now on; None: nothing any more."""
        self.troubles = {name: one for name, one in {**self.troubles, **reasons}.items() if one is not None}
        (self.folder / "troubles.json").write_text(json.dumps(self.troubles))

    def run(self, job: str = "nightly", **options: Any) -> dg.ExecuteInProcessResult:
        quiet = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}
        return foreign_location.defs.resolve_job_def(job).execute_in_process(
            instance=self.instance, run_config=quiet, raise_on_error=False, **options
        )

    def look(self) -> str:
        """What the sensor says of one look."""
        context = dg.build_sensor_context(self.instance, cursor=self.cursor, definitions=foreign_location.defs)
        result = self.sensor(context)
        assert isinstance(result, dg.SensorResult)
        self.cursor = result.cursor
        return str(
            result.skip_reason.skip_message if isinstance(result.skip_reason, dg.SkipReason) else result.skip_reason
        )

    def told(self) -> list[dict[str, Any]]:
        """The events that arrived since this was last asked."""
        found = [request.json["event"] for request in self.receiver.requests[self._told :]]
        self._told += len(found)
        return found

    def subjects(self) -> list[str]:
        return [event["subject"] for event in self.told()]

    def report(self, passed: bool, *, check: str = "is_fresh", reason: str = "") -> None:
        """A check result without a run."""
        self.instance.report_runless_asset_event(
            dg.AssetCheckEvaluation(
                asset_key=dg.AssetKey("orders"),
                check_name=check,
                passed=passed,
                description=reason,
                severity=dg.AssetCheckSeverity.WARN,
            )
        )

    def tick(self, error: str | None = None) -> None:
        """An evaluation of the sensor new_files, as the daemon records it."""
        target = LoadableTargetOrigin(python_file="foreign.py", attribute="defs")
        location = InProcessCodeLocationOrigin(loadable_target_origin=target, location_name="theirs")
        origin = RemoteInstigatorOrigin(RemoteRepositoryOrigin(location, "__repository__"), "new_files")
        state = InstigatorState(origin, InstigatorType.SENSOR, InstigatorStatus.RUNNING, SensorInstigatorData())
        if self.instance.get_instigator_state(state.instigator_origin_id, state.selector_id) is None:
            self.instance.add_instigator_state(state)
        self.instance.create_tick(
            TickData(
                instigator_origin_id=state.instigator_origin_id,
                instigator_name="new_files",
                instigator_type=InstigatorType.SENSOR,
                status=TickStatus.FAILURE if error else TickStatus.SKIPPED,
                timestamp=time.time(),
                selector_id=state.selector_id,
                error=SerializableErrorInfo(error, [], "RuntimeError") if error else None,
            )
        )


@contextmanager
def instance_in(folder: Path) -> Iterator[dg.DagsterInstance]:
    folder.mkdir(parents=True, exist_ok=True)
    with dg.DagsterInstance.local_temp(str(folder)) as instance:
        yield instance


@contextmanager
def foreign(folder: Path, instance: dg.DagsterInstance) -> Iterator[Foreign]:
    """A location that has run before, where the instance has: it begins to look now."""
    folder.mkdir(parents=True, exist_ok=True)
    with pytest.MonkeyPatch.context() as environment, receiving() as receiver:
        environment.setenv("FOREIGN_TROUBLES", str(folder / "troubles.json"))
        environment.setenv("OPS_URL", receiver.url)
        yield Foreign(folder, instance, receiver)
