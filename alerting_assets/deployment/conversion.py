"""An alert that somebody made by hand in the workspace, as a definition that decides the same; pure."""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from alerting_assets.alerts import notification
from alerting_assets.alerts.compiled import CompiledAlert, Target
from alerting_assets.alerts.compiler import compile_alert
from alerting_assets.alerts.configuration import AlertConfiguration
from alerting_assets.alerts.definitions import parse_definitions
from alerting_assets.alerts.operators import OPERATORS, Aggregation, Domain, EmptyResultState, Needs, Operator, Severity
from alerting_assets.alerts.query_text import DOLLAR, QueryTextError, trim_query, without_placeholders
from alerting_assets.configuration.files import appended
from alerting_assets.deployment.plan import normal_path
from alerting_assets.errors import CompileError, DefinitionError
from alerting_assets.evaluation import decide

_TITLE = re.compile(rf"\[({'|'.join(Severity)})\] (.+)", re.DOTALL)
_THRESHOLDS = {
    "double_value": "threshold_value_double",
    "string_value": "threshold_value_string",
    "bool_value": "threshold_value_bool",
}
_TEXTS: Mapping[str, notification.Field] = {
    "custom_summary": "custom_subject_template",
    "custom_description": "custom_body_template",
}
MAX_ID = 64


@dataclass(frozen=True)
class Terms:
    """What people say about the alerts to adopt, and where these will be deployed.

    file: the file that the definitions are written into.
    severity: taken where the name does not begin with one.
    owner: taken in place of the remote alert's."""

    target: Target
    file: str
    domain: Domain = Domain.RELIABILITY
    severity: Severity = Severity.WARNING
    owner: str | None = None
    delete_disabled: bool = False


@dataclass(frozen=True)
class Definition:
    """The definition of a remote alert.

    entry: the entry of the file, as YAML has it.
    configuration: what the loader of the file makes of it.
    notes: what will not be as it was, beside what the plan shows."""

    entry: dict[str, Any]
    configuration: AlertConfiguration
    notes: tuple[str, ...]


class NotExpressible(ValueError):
    """The remote alert cannot be expressed as a definition. reasons: all that were found, a sentence each."""

    def __init__(self, *reasons: str) -> None:
        self.reasons = reasons
        super().__init__("; ".join(reasons))


def name_of(body: Mapping[str, Any]) -> str:
    """The name of a remote alert without the severity in front."""
    title = str(body.get("display_name") or "")
    found = _TITLE.fullmatch(title)
    return found[2] if found else title


def free_id(name: str, taken: Collection[str]) -> str:
    """An alert_id made from a name: `Daily cost (EU)` becomes DAILY-COST-EU, or DAILY-COST-EU-2 if that is taken."""
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode().upper()
    base = re.sub(r"[^A-Z0-9_]+", "-", plain)[:MAX_ID].strip("-") or "ALERT"
    alert_id, number = base, 1
    while alert_id in taken:
        number += 1
        alert_id = f"{base[: MAX_ID - len(str(number)) - 1]}-{number}"
    return alert_id


def definition_of(body: Mapping[str, Any], alert_id: str, terms: Terms) -> Definition:
    """The definition of a remote alert. Its compiled form decides as that alert does, with any result of its query.

    body: of the Alerts v2 API.

    Raises NotExpressible."""
    reader = _Reader(body, terms)
    entry = {"alert_id": alert_id, **reader.fields()}
    if reader.reasons:
        raise NotExpressible(*reader.reasons)
    configuration, compiled = _compile(entry, terms)
    if reader.aggregation is not None:
        # The service's own aggregation makes one row of nothing.
        nothing = pa.array([0 if reader.aggregation.counts else None])
        decision = decide(compiled, pa.table({compiled.value_column: nothing}))
        state = EmptyResultState(decision.state.value)
        if state != reader.empty_result_state:
            was = reader.empty_result_state or "UNKNOWN"
            reader.notes.append(
                f"{reader.aggregation} of an empty result is {'0' if reader.aggregation.counts else 'NULL'} in Databricks, so its "
                f"empty_result_state {was} never counted; {state} decides as it did"
            )
        entry["empty_result_state"] = state.value
        configuration = configuration.model_copy(update={"empty_result_state": state})
    if compiled.source_sql != trim_query(body["query_text"]):
        raise NotExpressible("query_text: its text would not stay what it is")
    return Definition(entry, configuration, (*reader.notes, *_changes(body, compiled, terms)))


def _compile(entry: Mapping[str, Any], terms: Terms) -> tuple[AlertConfiguration, CompiledAlert]:
    """The configuration and the compiled alert of an entry. It is read back from the text of the file, so that the row says what
    the file says."""
    try:
        (configuration,) = parse_definitions({terms.file: appended(terms.file, "", [entry])})
        compiled = compile_alert(configuration, terms.target)
    except DefinitionError as error:
        raise NotExpressible(*(f"{problem.field}: {problem.message}" for problem in error.problems)) from None
    except CompileError as error:
        raise NotExpressible(f"{error.field}: {error.message}") from None
    differs = [name for name in entry if name != "template_params" and configuration.row()[name] != entry[name]]
    if differs:
        raise NotExpressible(f"{differs[0]}: YAML cannot hold this text as it is")
    return configuration, compiled


class _Reader:
    """Reads one body field by field. `reasons` and `notes` gather what it meets."""

    def __init__(self, body: Mapping[str, Any], terms: Terms) -> None:
        self._body, self._terms = body, terms
        self._evaluation = _message(body, "evaluation")
        self._source = _message(self._evaluation, "source")
        self.aggregation: Aggregation | None = None
        self.empty_result_state: str | None = self._evaluation.get("empty_result_state")
        self.reasons: list[str] = []
        self.notes: list[str] = []

    def fields(self) -> dict[str, Any]:
        """The fields of the entry, without those that the body lacks. They are of no use once there are reasons."""
        self._refuse_the_unknown()
        found = {
            **self._identity(),
            **self._query(),
            **self._measure(),
            **self._condition(),
            **self._empty(),
            **self._schedule(),
            **self._notification(),
            "owner": self._owner(),
        }
        return {name: value for name, value in found.items() if value is not None and value != []}

    def _refuse_the_unknown(self) -> None:
        try:
            json.dumps(self._body, ensure_ascii=False).encode()
        except UnicodeEncodeError:
            self.reasons.append("its texts hold half of a surrogate pair, which is no text")
        if self._body.get("parameters"):
            self.reasons.append(
                "parameters: a definition has no query parameters; write their values into the query, in the workspace"
            )

    def _identity(self) -> dict[str, Any]:
        title = str(self._body.get("display_name") or "")
        found = _TITLE.fullmatch(title)
        severity = found[1] if found else self._terms.severity.value
        return {"alert_name": name_of(self._body), "agent_domain": self._terms.domain.value, "severity": severity}

    def _query(self) -> dict[str, Any]:
        text = str(self._body.get("query_text") or "")
        try:
            template = without_placeholders(text)
        except QueryTextError as error:
            self.reasons.append(f"query_text: {error}")
            return {}
        return {
            "alert_query_template": template,
            "template_params": None if template == text else {DOLLAR: "$"},
        }

    def _measure(self) -> dict[str, Any]:
        name, display = self._source.get("name"), self._source.get("display")
        if not name:
            self.reasons.append("evaluation.source: it names no column to compare")
        if display and display != name:
            self.notes.append(
                f"its column is displayed as {display!r}, and such an alert never fires in Databricks; adopted, it can"
            )
        aggregation = self._source.get("aggregation")
        if aggregation:
            try:
                self.aggregation = Aggregation(aggregation)
            except ValueError:
                self.reasons.append(f"evaluation.source.aggregation: {aggregation} is not known")
        return {"aggregation_column": name, "aggregation_type": aggregation}

    def _condition(self) -> dict[str, Any]:
        word = self._evaluation.get("comparison_operator")
        try:
            operator = Operator(str(word))
        except ValueError:
            self.reasons.append(f"evaluation.comparison_operator: {word or 'none'} is not known")
            return {}
        return {"operator": operator.value, **self._threshold(operator)}

    def _threshold(self, operator: Operator) -> dict[str, Any]:
        if OPERATORS[operator].needs is not Needs.VALUE:
            return {}
        threshold = _message(self._evaluation, "threshold")
        if column := _message(threshold, "column").get("name"):
            self.reasons.append(
                f"evaluation.threshold: it compares with the column {column}, and a definition compares with a value; let the query "
                f"measure the difference of the two columns, and compare that with 0"
            )
            return {}
        given = {_THRESHOLDS[kind]: item for kind, item in _message(threshold, "value").items() if kind in _THRESHOLDS}
        value = given.get("threshold_value_double")
        return given if value is None else {**given, "threshold_value_double": float(value)}

    def _empty(self) -> dict[str, Any]:
        """The state for an empty result. With an aggregation the service never sees an empty result, so what it makes of nothing is
        worked out later."""
        if self._source.get("aggregation"):
            return {"empty_result_state": EmptyResultState.OK.value}
        if self.empty_result_state not in list(EmptyResultState):
            self.reasons.append(
                "evaluation.empty_result_state: UNKNOWN is no state of a definition; choose OK, TRIGGERED or ERROR in the workspace"
            )
        return {"empty_result_state": self.empty_result_state}

    def _schedule(self) -> dict[str, Any]:
        schedule = _message(self._body, "schedule")
        is_paused = schedule.get("pause_status") == "PAUSED"
        if is_paused and self._terms.delete_disabled:
            self.notes.append("it is paused: with ALERTING_DELETE_DISABLED=true a later sync moves it to the trash")
        return {
            "schedule_cron": schedule.get("quartz_cron_schedule"),
            "schedule_timezone": schedule.get("timezone_id"),
            "is_enabled": False if is_paused else None,
        }

    def _notification(self) -> dict[str, Any]:
        told = _message(self._evaluation, "notification")
        channels = [
            entry.get("user_email") or entry.get("destination_id") or "" for entry in told.get("subscriptions") or []
        ]
        texts: dict[notification.Field, str | None] = {
            ours: self._body.get(theirs) or None for theirs, ours in _TEXTS.items()
        }
        for field, text in texts.items():
            self.reasons += (
                [f"{field}: {problem}" for problem in notification.problems(text, field=field)] if text else []
            )
        return {
            "notification_channels": channels,
            "notify_on_ok": told.get("notify_on_ok") or None,
            "retrigger_seconds": told.get("retrigger_seconds") or None,
            **{str(field): text for field, text in texts.items()},
        }

    def _owner(self) -> str | None:
        owner = self._terms.owner or self._body.get("owner_user_name")
        if not owner:
            self.reasons.append("the workspace does not say whose it is; give an owner by --owner")
        return owner


def _changes(body: Mapping[str, Any], compiled: CompiledAlert, terms: Terms) -> Iterator[str]:
    """What the deployed form does otherwise, although it decides the same."""
    target = terms.target
    title, text = body.get("display_name"), str(body["query_text"])
    aggregates = bool(_message(body, "evaluation", "source").get("aggregation"))
    if compiled.display_name != title:
        yield f"it will be named {compiled.display_name}"
    if body.get("warehouse_id") != target.warehouse_id:
        yield f"it moves from warehouse {body.get('warehouse_id')} to {target.warehouse_id}"
    folder = body.get("parent_path")
    if target.parent_path and folder and normal_path(folder) != normal_path(target.parent_path):
        yield f"it stays in {folder}: the API cannot move it to {target.parent_path}"
    if run_as := body.get("run_as") or body.get("run_as_user_name"):
        who = next(iter(run_as.values()), "") if isinstance(run_as, Mapping) else run_as
        yield f"it goes on running as {who}, which no definition holds"
    for theirs, ours in (
        ("custom_summary", compiled.custom_summary),
        ("custom_description", compiled.custom_description),
    ):
        if ours is None:
            continue
        if ours != body.get(theirs):
            yield f"{theirs} will be: {ours}"
        if not aggregates and "{{QUERY_RESULT_ROWS}}" in ours:
            yield f"{theirs}: QUERY_RESULT_ROWS will be the first row, since no more is returned"
    if aggregates and trim_query(text) != text.strip():
        yield "its query ends in a comment or a semicolon, which may fail with the service's aggregation; adopted, it does not"


def _message(body: Mapping[str, Any], *path: str) -> Mapping[str, Any]:
    """The JSON object at this path; empty where there is none."""
    value: Any = body
    for name in path:
        value = value.get(name) if isinstance(value, Mapping) else None
    return value if isinstance(value, Mapping) else {}
