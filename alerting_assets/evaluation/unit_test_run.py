"""Runs unit tests of alerts: the compiled text, with its tables replaced by the given rows and its clock by `as_of`, on the embedded
engine without a lakehouse."""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from alerting_assets.alerts.compiled import CompiledAlert, Target
from alerting_assets.alerts.compiler import compile_alert
from alerting_assets.alerts.configuration import parse_configuration
from alerting_assets.alerts.query_text import QueryTextError
from alerting_assets.alerts.rewrite import at_moment, replace_tables, tables_read
from alerting_assets.alerts.templates import AlertTemplate, instantiate
from alerting_assets.configuration import ConfiguredAlert
from alerting_assets.configuration.templates import encoded
from alerting_assets.errors import AlertingError, QueryError, did_you_mean
from alerting_assets.evaluation.decide import Decision, decide, failed
from alerting_assets.evaluation.given_rows import GivenError, given_table, history_table, ranges_table
from alerting_assets.evaluation.notification import rendered
from alerting_assets.evaluation.unit_tests import UNSET, AlertTest
from alerting_assets.lakehouse.port import Column, TableName
from alerting_assets.lakehouse.scratch import ScratchEngine
from alerting_assets.lakehouse.tables import ALERT_HISTORY, EXPECTED_RANGES
from alerting_assets.sql_literal import identifier
from alerting_assets.validation import read_only_problem

_log = logging.getLogger(__name__)

TESTS_AT_A_TIME = 4

ColumnsOf = Callable[[TableName], Sequence[Column] | None]


@dataclass(frozen=True)
class UnitTestOutcome:
    """What became of one test. failures: what was not as expected, one sentence each, or why the test could not run. decision: None
    if it could not run."""

    test: AlertTest
    failures: tuple[str, ...]
    decision: Decision | None
    seconds: float

    @property
    def passed(self) -> bool:
        return not self.failures


class _CannotRun(Exception):
    pass


class UnitTestRunner:
    """Runs unit tests. alerts, templates: what tests are about, by id. columns_of: the columns of a real table, or None where there
    is no such table."""

    def __init__(
        self,
        engine: ScratchEngine,
        target: Target,
        alerts: Mapping[str, ConfiguredAlert],
        templates: Mapping[str, AlertTemplate],
        columns_of: ColumnsOf,
    ) -> None:
        self._engine, self._target = engine, target
        self._alerts, self._templates, self._columns_of = alerts, templates, columns_of

    def run(
        self, tests: Sequence[AlertTest], on_progress: Callable[[int, int], None] = lambda _done, _all: None
    ) -> list[UnitTestOutcome]:
        """Run tests and return their outcomes in the same order. on_progress: called with (tests done, tests in all). Raises
        LakehouseUnavailable when the engine is away."""
        done = 0

        def one(test: AlertTest) -> UnitTestOutcome:
            nonlocal done
            outcome = self._run(test)
            done += 1
            on_progress(done, len(tests))
            return outcome

        with ThreadPoolExecutor(TESTS_AT_A_TIME, thread_name_prefix="alert-test") as pool:
            return list(pool.map(one, tests))

    def _run(self, test: AlertTest) -> UnitTestOutcome:
        started = time.perf_counter()
        decision = None
        try:
            compiled = self._compiled(test)
            decision = self._decide(test, compiled)
            failures = tuple(_differences(test, compiled, decision))
        except (_CannotRun, GivenError, QueryTextError) as error:
            failures = (str(error),)
        except AlertingError:
            raise
        except Exception as error:  # noqa: BLE001 — told as a failure and in the log: it costs this test only
            _log.exception("the test at %s could not run", test.place)
            failures = (
                f"could not run ({type(error).__name__}: {error}), a fault of alerting_assets; please report it",
            )
        return UnitTestOutcome(test, failures, decision, time.perf_counter() - started)

    def _compiled(self, test: AlertTest) -> CompiledAlert:
        if test.of_template:
            try:
                return compile_template(self._templates[test.subject], test.params, self._target)
            except AlertingError as error:
                raise _CannotRun(str(error)) from None
        alert = self._alerts.get(test.subject)
        if alert is None:
            raise _CannotRun(f"there is no alert {test.subject!r}{did_you_mean(test.subject, self._alerts)}")
        if alert.compiled is None:
            raise _CannotRun("; ".join(str(problem) for problem in alert.problems))
        return alert.compiled

    def _decide(self, test: AlertTest, compiled: CompiledAlert) -> Decision:
        if problem := read_only_problem(compiled.source_sql):
            raise _CannotRun(problem)
        sql = at_moment(compiled.sql, test.as_of)
        given = {self._full_name(table.split(".")): table for table in test.given}
        references = {self._full_name(reference.parts) for reference in tables_read(sql)}
        history, ranges = self._full_name([ALERT_HISTORY.name]), self._full_name([EXPECTED_RANGES.name])
        for name, table in given.items():
            if name not in references:
                read = ", ".join(str(other) for other in sorted(references)) or "no table"
                raise _CannotRun(f"given: {table} is not read by the query, which reads {read}")
        tables = {}
        for name in sorted(references):
            if name == ranges:
                tables[name] = ranges_table(test, given.get(name), compiled)
            elif name in given:
                rows = test.given[given[name]]
                tables[name] = given_table(test, given[name], rows, self._columns_of(name))
            elif name == history:
                tables[name] = history_table(test, compiled.alert_id)
            else:
                raise _CannotRun(f"the query reads {name}; give its rows: `given: {{{name.table}: []}}`")

        def sql_of(names: Sequence[str]) -> str:
            known = dict(zip(tables, names, strict=True))
            return replace_tables(sql, lambda reference: identifier(known[self._full_name(reference.parts)]))

        try:
            return decide(compiled, self._engine.query(list(tables.values()), sql_of))
        except QueryError as error:
            return failed(str(error))

    def _full_name(self, parts: Sequence[str]) -> TableName:
        missing = (self._target.catalog, self._target.schema)[: max(0, 3 - len(parts))]
        return TableName(*missing, *(part.strip("`") for part in parts[-3:]))


def compile_template(template: AlertTemplate, params: Mapping[str, Any], target: Target) -> CompiledAlert:
    """The compiled alert that a template makes with these parameters, as a test or a preview needs it. Raises TemplateError,
    DefinitionError or CompileError."""
    fields = instantiate(template, {}, params)
    own = {
        "alert_id": "TEST-001",
        "owner": "test",
        "template_id": template.template_id,
        "template_params": encoded(params),
    }
    return compile_alert(parse_configuration({**fields, **own}, file=template.file), target)


def _differences(test: AlertTest, compiled: CompiledAlert, decision: Decision) -> list[str]:
    expect = test.expect
    failures = []
    if decision.state != expect.state:
        why = f" ({decision.error or decision.note})" if decision.error or decision.note else ""
        failures.append(f"state is {decision.state}{why}, expected {expect.state}; the value is {decision.value!r}")
    if expect.value is not UNSET and not _equal(decision.value, expect.value):
        failures.append(f"value is {decision.value!r}, expected {expect.value!r}")
    for name, text in (("subject", compiled.custom_summary), ("body", compiled.custom_description)):
        wanted = getattr(expect, name)
        if wanted is UNSET:
            continue
        got = None if text is None else rendered(text, compiled, decision)
        if got != wanted:
            failures.append(f"{name} is {got!r}, expected {wanted!r}")
    return failures


def _equal(value: Any, wanted: Any) -> bool:
    numbers = [isinstance(item, int | float) and not isinstance(item, bool) for item in (value, wanted)]
    if all(numbers):
        return math.isclose(value, wanted, rel_tol=1e-9, abs_tol=1e-12) or value == wanted
    return type(value) is type(wanted) and bool(value == wanted)
