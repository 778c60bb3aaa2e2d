"""Where unit tests of alerts come from, and what they are run with."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from alerting_assets.configuration import defined_alerts, plan_load, read_rows, target_of, to_alerts
from alerting_assets.configuration.files import SUFFIXES, TESTS, read_folder
from alerting_assets.configuration.templates import TemplateCatalog, templates_of
from alerting_assets.errors import DefinitionError, Problem, TableNotFound
from alerting_assets.evaluation.unit_test_run import ColumnsOf, UnitTestRunner
from alerting_assets.evaluation.unit_tests import AlertTest, parse_tests, template_tests
from alerting_assets.lakehouse.port import Column, Lakehouse, TableName
from alerting_assets.lakehouse.scratch import ScratchEngine
from alerting_assets.settings import Settings


def collect_tests(
    definitions: Path, templates: TemplateCatalog, *, shipped: bool = False
) -> tuple[list[AlertTest], list[Problem]]:
    """All unit tests that can be used, and every problem of those that cannot: those of `tests/*.yml`, wherever such a folder is, then
    those of the user's own templates, then, if `shipped`, those of the package's templates."""
    tests: list[AlertTest] = []
    problems: list[Problem] = []
    for path in test_files(definitions):
        try:
            found, wrong = parse_tests(path.relative_to(definitions).as_posix(), path.read_text(encoding="utf-8"))
        except (UnicodeDecodeError, OSError) as error:
            found, wrong = [], [Problem(f"cannot be read: {error}", file=str(path))]
        tests += found
        problems += wrong
    for template_id in templates if shipped else templates.own:
        try:
            found, wrong = template_tests(templates[template_id])
        except DefinitionError as error:
            found, wrong = [], list(error.problems)
        tests += found
        problems += wrong
    return tests, problems


def test_files(definitions: Path) -> list[Path]:
    return sorted(
        path
        for path in definitions.glob(f"**/{TESTS}/*")
        if path.suffix in SUFFIXES and is_test_file(definitions, path)
    )


def is_test_file(definitions: Path, path: Path) -> bool:
    """Whether a YAML file lies in a folder of unit tests below the definitions."""
    if not path.is_relative_to(definitions):
        return False
    folders = path.relative_to(definitions).parts[:-1]
    return folders[-1:] == (TESTS,) and not any(folder.startswith(".") for folder in folders)


@contextmanager
def open_runner(settings: Settings, lakehouse: Lakehouse | None) -> Iterator[UnitTestRunner]:
    """A runner for unit tests, until the block ends.

    lakehouse: where alerts that no file defines, and the columns of real tables, are looked up. None: only definitions and the
        demo's tables are known."""
    rows = read_rows(lakehouse) if lakehouse else []
    templates = templates_of(settings.definitions)
    target = replace(target_of(settings), history_is_readable=True)  # a test brings its own
    alerts = to_alerts(rows, target)
    if _is_defined(settings.definitions):  # nothing is: templates can be tested without an alert
        alerts = defined_alerts(rows, plan_load(settings.definitions, rows), target)
    columns_of = _columns_of(lakehouse, (target.catalog, target.schema))
    with ScratchEngine() as engine:
        yield UnitTestRunner(engine, target, {alert.alert_id: alert for alert in alerts}, templates, columns_of)


def _is_defined(definitions: Path) -> bool:
    folder = read_folder(definitions)
    return bool(folder.texts or folder.problems)


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
