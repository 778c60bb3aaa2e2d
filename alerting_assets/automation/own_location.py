"""What a sensor knows of the code location that it is in: its checks, jobs and owners; and what of an instance is its own."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from urllib.parse import quote

import dagster as dg

from alerting_assets.delivery import Severity
from alerting_assets.failures.decide import Failing
from alerting_assets.failures.failure import Kind, Subject

ALERT_PARTITIONS = "alert_id"
"""The name of the partitions of assets with one partition an alert (`automation.partitions.ALERTS`)."""
_IMPLICIT_JOB = "__ASSET_JOB"
_ONE_RUN = "run:"
SEVERITIES = {dg.AssetCheckSeverity.ERROR: Severity.CRITICAL, dg.AssetCheckSeverity.WARN: Severity.WARNING}


@dataclass(frozen=True)
class OwnLocation:
    """name: of the code location; None in tests, where there is none. everything: whether the other locations of the instance are its
    concern, too. url: of the Dagster UI, for links."""

    name: str | None
    repository_name: str | None
    repository: dg.RepositoryDefinition | None
    everything: bool = False
    url: str | None = None

    @classmethod
    def of(cls, context: dg.SensorEvaluationContext, *, everything: bool, url: str | None) -> OwnLocation:
        origin = context.code_location_origin
        return cls(
            origin.location_name if origin else None,
            context.repository_name,
            context.repository_def,
            everything,
            url.rstrip("/") if url else None,
        )

    def has_run(self, run: dg.DagsterRun) -> bool:
        if self.everything:
            return True
        origin = run.remote_job_origin
        if origin is None:  # started by a script, as by `make run`
            return self.has_job(run.job_name)
        repository = origin.repository_origin
        return (repository.code_location_origin.location_name, repository.repository_name) == (
            self.name,
            self.repository_name,
        )

    def has_job(self, name: str) -> bool:
        return self.repository is None or self.repository.has_job(name)

    def has_check(self, key: dg.AssetCheckKey) -> bool:
        return self.repository is None or key in self.repository.asset_graph.asset_check_keys

    def has_tick(self, name: str) -> bool:
        if self.repository is None:
            return True
        return self.repository.has_sensor_def(name) or self.repository.has_schedule_def(name)

    def of_run(self, run: dg.DagsterRun) -> str:
        """The name of its code location."""
        origin = run.remote_job_origin
        return origin.repository_origin.code_location_origin.location_name if origin else self.name or ""

    def link(self, *path: str) -> str | None:
        return "/".join([self.url, *(quote(part, safe="@") for part in path)]) if self.url else None

    # -- subjects

    def check(
        self, key: dg.AssetCheckKey, partition: str | None, location: str, owner: str | None
    ) -> tuple[Subject, bool]:
        """The subject of a check's result, and whether the result is about all partitions of one that has some."""
        known = self.repository is not None and key in self.repository.asset_graph.asset_check_keys
        partitions = self._partitions(key) if known else None
        asset = key.asset_key.to_user_string()
        owners = [owner] if owner else self._owners(key.asset_key)
        title = f"{asset}: {key.name}" if partition is None else f"{partition}: {key.name} of {asset}"
        subject = Subject(
            Kind.CHECK,
            "|".join([Kind.CHECK, location, asset, key.name, partition or ""]),
            title,
            location=location,
            asset=asset,
            check=key.name,
            partition=partition,
            alert_id=partition if getattr(partitions, "name", None) == ALERT_PARTITIONS else None,
            owners=tuple(owners),
        )
        return subject, partition is None and partitions is not None

    def job(self, run: dg.DagsterRun) -> Subject:
        location, partition = self.of_run(run), run.tags.get("dagster/partition")
        chosen = sorted(key.to_user_string() for key in run.asset_selection or ())
        implicit = run.job_name.startswith(_IMPLICIT_JOB)
        title = f"run of {_some(chosen)}" if implicit and chosen else f"job {run.job_name}"
        owners: list[str] = []
        for key in sorted(run.asset_selection or (), key=lambda one: one.to_user_string()):
            owners += self._owners(key)
        return Subject(
            Kind.RUN,
            "|".join([Kind.RUN, location, run.job_name, partition or "", ",".join(chosen)]),
            f"{title}, partition {partition}" if partition else title,
            location=location,
            partition=partition,
            job=run.job_name,
            owners=tuple(dict.fromkeys(owners)),
            is_repeated=not implicit and partition is None,
        )

    def one_run(self, run: dg.DagsterRun) -> Subject:
        """A run that does not end, whatever other runs of its job do."""
        job = self.job(run)
        title = f"run {run.run_id[:8]} of {job.title.removeprefix('run of ')} does not end"
        return replace(job, key=f"{job.key}|{_ONE_RUN}{run.run_id}", title=title, is_repeated=True)

    def tick(self, kind: str, name: str, location: str) -> Subject:
        key = "|".join([Kind.TICK, location, name])
        return Subject(Kind.TICK, key, f"{kind} {name}", location=location, job=name)

    def is_gone(self, failing: Failing, instance: dg.DagsterInstance) -> bool:
        """Whether what fails is not there any more: a check, a partition, a job. Of other locations that is not known."""
        subject = failing.subject
        if self.repository is None or subject.location != (self.name or ""):
            return False
        if subject.kind is Kind.RUN and (run := subject.key.rpartition(f"|{_ONE_RUN}"))[1]:
            return not instance.has_run(run[2])
        if subject.kind is Kind.RUN and subject.job is not None:
            return not subject.job.startswith(_IMPLICIT_JOB) and not self.has_job(subject.job)
        if subject.kind is not Kind.CHECK or subject.asset is None or subject.check is None:
            return False
        key = dg.AssetCheckKey(dg.AssetKey.from_user_string(subject.asset), subject.check)
        if not self.has_check(key):
            return not self.everything
        partitions = self._partitions(key)
        if subject.partition is None or not isinstance(partitions, dg.DynamicPartitionsDefinition):
            return False
        return partitions.name is not None and not instance.has_dynamic_partition(partitions.name, subject.partition)

    def _partitions(self, key: dg.AssetCheckKey) -> dg.PartitionsDefinition | None:
        assert self.repository is not None
        return self.repository.asset_graph.get(key).partitions_def

    def _owners(self, key: dg.AssetKey) -> list[str]:
        graph = self.repository.asset_graph if self.repository else None
        return list(graph.get(key).owners) if graph is not None and graph.has(key) else []


def _some(names: Iterable[str], limit: int = 3) -> str:
    every = list(names)
    return ", ".join(every[:limit]) + (f" and {len(every) - limit} more" if len(every) > limit else "")
