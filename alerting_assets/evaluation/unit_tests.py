"""Unit tests of alerts as people write them, in `alerts/tests/*.yml` and at the end of a template: rows in, a decision expected."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Any

from alerting_assets.alerts.operators import State
from alerting_assets.alerts.templates import AlertTemplate
from alerting_assets.alerts.yaml_text import YamlMap, line_of, read_entries
from alerting_assets.errors import DefinitionError, Problem, did_you_mean

_FIELDS = ("name", "alert", "params", "as_of", "given", "columns", "history", "expect")
_EXPECTED = ("state", "value", "subject", "body")
_EARLIER = ("at", "state", "value", "met")
_STATES = tuple(state.value for state in State)
_RELATIVE = re.compile(r"([+-]?\d+(?:\.\d+)?)([smhd])")
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}

UNSET = object()


@dataclass(frozen=True)
class Expectation:
    """What a test expects. value, subject, body: UNSET where the test does not look at them."""

    state: State
    value: Any = UNSET
    subject: Any = UNSET
    body: Any = UNSET


@dataclass(frozen=True)
class AlertTest:
    """One unit test.

    subject: the alert_id, or the template_id when `of_template`.
    given: rows by the name of their table, as the query writes it.
    columns: types of tables that exist nowhere else, by table and column.
    history: earlier evaluations of the alert, each with `at`, `state`, `value` and `met`."""

    subject: str
    name: str
    as_of: datetime
    given: Mapping[str, Sequence[Mapping[str, Any]]]
    expect: Expectation
    columns: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    history: Sequence[Mapping[str, Any]] = ()
    params: Mapping[str, Any] = field(default_factory=dict)
    of_template: bool = False
    file: str = ""
    line: int = 1

    @property
    def title(self) -> str:
        return f"{self.subject}: {self.name}"

    @property
    def place(self) -> str:
        return f"{self.file}:{self.line}"


def parse_tests(file: str, text: str) -> tuple[list[AlertTest], list[Problem]]:
    """The tests of one file that can be used, and every problem of the file."""
    entries, problems = read_entries(file, text, key="tests", what="test")
    tests, more = _parse_all(entries, file, None)
    return tests, [*problems, *more]


def template_tests(template: AlertTemplate) -> tuple[list[AlertTest], list[Problem]]:
    """The tests at the end of a template that can be used, and what is wrong with the others."""
    return _parse_all(template.tests, template.file, template.template_id)


def moment(value: Any, as_of: datetime) -> datetime:
    """A point in time as tests write it: `-90m` counts from `as_of`, otherwise ISO text or YAML's own. Without a time zone it is
    UTC. Raises ValueError."""
    if isinstance(value, str):
        if found := _RELATIVE.fullmatch(value):
            return as_of + timedelta(**{_UNITS[found[2]]: float(found[1])})
        value = datetime.fromisoformat(value)
    if isinstance(value, datetime):
        return value.astimezone(UTC) if value.tzinfo else value.replace(tzinfo=UTC)
    if isinstance(value, date):
        return datetime(value.year, value.month, value.day, tzinfo=UTC)
    raise ValueError(f"{value!r} is no time; write 2026-11-02T12:00:00Z, or relative to as_of: -90m, -2h, -3d")


def _parse_all(entries: Sequence[YamlMap], file: str, template_id: str | None) -> tuple[list[AlertTest], list[Problem]]:
    tests: list[AlertTest] = []
    problems: list[Problem] = []
    seen: set[str] = set()
    for entry in entries:
        try:
            test = _parse(entry, file, template_id)
        except DefinitionError as error:
            problems += error.problems
            continue
        if test.title in seen:
            problems.append(
                Problem(f"{test.name!r} is the name of another test of {test.subject}", "name", None, file, test.line)
            )
        seen.add(test.title)
        tests.append(test)
    return tests, problems


def _parse(entry: Any, file: str, template_id: str | None) -> AlertTest:
    if not isinstance(entry, YamlMap):
        raise DefinitionError([Problem("a test is a mapping of fields to values", "tests", file=file)])
    values = dict(entry)
    problems: list[Problem] = []

    def problem(name: str, message: str) -> None:
        about = values.get("alert") if template_id is None else template_id
        problems.append(Problem(message, name, about if isinstance(about, str) else None, file, line_of(entry, name)))

    known = [name for name in _FIELDS if name != ("params" if template_id is None else "alert")]
    for name in values:
        if name not in known:
            problem(name, f"is no field of a test{did_you_mean(name, known)}")
    for name in ("name", "as_of", "given", "expect", *(("alert",) if template_id is None else ())):
        if name not in values:
            problem(name, "is missing")
    if problems:
        raise DefinitionError(problems)
    as_of = _as_of(values["as_of"], problem)
    for name in ("given", "columns", "params"):
        if not isinstance(values.get(name, {}), dict):
            problem(name, "is a mapping")
    given = values["given"] if isinstance(values["given"], dict) else {}
    for table, rows in given.items():
        if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
            problem("given", f"{table}: is a list of rows, each a mapping of columns to values; [] for none")
    history = _history(values.get("history", []), as_of, problem)
    expect = _expectation(values["expect"], problem)
    if problems:
        raise DefinitionError(problems)
    return AlertTest(
        subject=template_id or str(values["alert"]),
        name=str(values["name"]),
        as_of=as_of,
        given=given,
        expect=expect,
        columns=values.get("columns", {}),
        history=history,
        params=values.get("params", {}),
        of_template=template_id is not None,
        file=file,
        line=line_of(entry),
    )


def _as_of(value: Any, problem: Any) -> datetime:
    try:
        if isinstance(value, str) and _RELATIVE.fullmatch(value):
            raise ValueError(f"{value!r} is relative, and there is nothing before as_of")
        return moment(value, datetime.min.replace(tzinfo=UTC))
    except ValueError as error:
        problem("as_of", str(error))
        return datetime.min.replace(tzinfo=UTC)


def _history(rows: Any, as_of: datetime, problem: Any) -> list[Mapping[str, Any]]:
    found: list[Mapping[str, Any]] = []
    for row in rows if isinstance(rows, list) else [None]:
        if not isinstance(row, dict) or "at" not in row or not set(row) <= set(_EARLIER):
            problem("history", f"is a list of {{{', '.join(_EARLIER)}}}; `at` is needed")
            continue
        state = row.get("state", State.OK.value)
        if state not in _STATES:
            problem("history", f"state {state!r} is not one of {', '.join(_STATES)}")
            continue
        try:
            found.append(
                {"at": moment(row["at"], as_of), "state": state, "value": row.get("value"), "met": row.get("met")}
            )
        except ValueError as error:
            problem("history", f"at: {error}")
    return found


def _expectation(values: Any, problem: Any) -> Expectation:
    if not isinstance(values, dict) or values.get("state") not in _STATES:
        problem("expect", f"needs a state: {', '.join(_STATES)}")
        return Expectation(State.OK)
    for name in values:
        if name not in _EXPECTED:
            problem("expect", f"{name!r} is not known{did_you_mean(name, _EXPECTED)}")
    others = {name: values[name] for name in ("value", "subject", "body") if name in values}
    return Expectation(State(values["state"]), **others)
