"""Where unit tests of alerts come from, and what they are run with."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from alerting_assets.configuration import definitions_from, read_rows, rows_after_load, target_of, to_alerts
from alerting_assets.configuration.templates import TemplateCatalog, templates_of
from alerting_assets.errors import DefinitionError, Problem, TableNotFound
from alerting_assets.evaluation.unit_test_run import ColumnsOf, UnitTestRunner
from alerting_assets.evaluation.unit_tests import AlertTest, parse_tests, template_tests
from alerting_assets.lakehouse.port import Column, Lakehouse, TableName
from alerting_assets.lakehouse.scratch import ScratchEngine
from alerting_assets.settings import Settings

FOLDER = "tests"
"""The folder of unit tests, below the folder of the definitions."""


def collect_tests(definitions: Path, templates: TemplateCatalog, *, shipped: bool = False) -> list[AlertTest]:
    """All unit tests: those of `tests/*.yml`, then those of the user's own templates, then, if `shipped`, those of the package's
    templates.

    Raises DefinitionError with every problem of every file."""
    tests: list[AlertTest] = []
    problems: list[Problem] = []
    for path in test_files(definitions):
        try:
            tests += parse_tests(f"{FOLDER}/{path.name}", path.read_text(encoding="utf-8"))
        except DefinitionError as error:
            problems += error.problems
        except (UnicodeDecodeError, OSError) as error:
            problems.append(Problem(f"cannot be read: {error}", file=str(path)))
    for template_id in templates if shipped else templates.own:
        try:
            tests += template_tests(templates[template_id])
        except DefinitionError as error:
            problems += error.problems
    if problems:
        raise DefinitionError(problems)
    return tests


def test_files(definitions: Path) -> list[Path]:
    folder = definitions / FOLDER
    return sorted([*folder.glob("*.yml"), *folder.glob("*.yaml")])


@contextmanager
def open_runner(settings: Settings, lakehouse: Lakehouse | None) -> Iterator[UnitTestRunner]:
    """A runner for unit tests, until the block ends.

    lakehouse: where alerts that no file defines, and the columns of real tables, are looked up. None: only definitions and the
        demo's tables are known."""
    rows = read_rows(lakehouse) if lakehouse else []
    templates = templates_of(settings.definitions)
    target = replace(target_of(settings), history_is_readable=True)  # a test brings its own
    if any(settings.definitions.glob("*.y*ml")):  # none: templates can be tested without an alert
        rows = rows_after_load(rows, definitions_from(settings.definitions, rows))
    alerts = to_alerts(rows, target)
    columns_of = _columns_of(lakehouse, (target.catalog, target.schema))
    with ScratchEngine() as engine:
        yield UnitTestRunner(engine, target, {alert.alert_id: alert for alert in alerts}, templates, columns_of)


def _columns_of(lakehouse: Lakehouse | None, namespace: tuple[str, str]) -> ColumnsOf:
    from alerting_assets.demo.tables import DEMO_TABLES  # its room brings numpy and pandas along

    demo = {TableName(*namespace, spec.name): spec.columns for spec in DEMO_TABLES}

    def columns_of(name: TableName) -> Sequence[Column] | None:
        if lakehouse is not None:
            try:
                return lakehouse.table_columns(name)
            except TableNotFound:
                pass
        return demo.get(name)

    return columns_of
