"""Unit tests of alerts as pytest items: `pytest alerts/tests`. Found by the entry point `alerting_assets` once the package is installed."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from alerting_assets.evaluation.unit_test_run import UnitTestRunner
    from alerting_assets.evaluation.unit_tests import AlertTest

_STACK = pytest.StashKey[ExitStack]()
_RUNNER = pytest.StashKey["UnitTestRunner"]()


class AlertTestFailed(AssertionError):
    """An alert did not decide as its test expects. The text says what was not as expected, one line each."""


def pytest_collect_file(parent: pytest.Collector, file_path: Path) -> AlertTestFile | None:
    if file_path.suffix not in (".yml", ".yaml") or file_path.parent.name != "tests":
        return None
    from alerting_assets.evaluation.unit_test_files import is_test_file
    from alerting_assets.settings import Settings

    if not is_test_file(Settings.from_environment().definitions.absolute(), file_path):
        return None
    file: AlertTestFile = AlertTestFile.from_parent(parent, path=file_path)
    return file


def pytest_unconfigure(config: pytest.Config) -> None:
    if _STACK in config.stash:
        config.stash[_STACK].close()


class AlertTestFile(pytest.File):
    def collect(self) -> Iterator[AlertTestItem]:
        from alerting_assets.evaluation.unit_tests import parse_tests

        tests, problems = parse_tests(f"tests/{self.path.name}", self.path.read_text(encoding="utf-8"))
        if problems:
            raise self.CollectError("\n".join(map(str, problems)))
        for test in tests:
            yield AlertTestItem.from_parent(self, name=test.title, test=test)


class AlertTestItem(pytest.Item):
    def __init__(self, *, test: AlertTest, **arguments: Any) -> None:
        super().__init__(**arguments)
        self.test = test

    def runtest(self) -> None:
        (outcome,) = _runner(self.config).run([self.test])
        if not outcome.passed:
            raise AlertTestFailed("\n".join(outcome.failures))

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], style: Any = None) -> Any:
        if isinstance(excinfo.value, AlertTestFailed):
            return f"{self.test.place}\n{excinfo.value}"
        return super().repr_failure(excinfo, style)

    def reportinfo(self) -> tuple[Path, int, str]:
        return self.path, self.test.line - 1, self.name


def _runner(config: pytest.Config) -> UnitTestRunner:
    """The runner of the session, with one engine. The lakehouse is opened only where there is one, so that tests create no folders."""
    if _RUNNER not in config.stash:
        from alerting_assets.evaluation.unit_test_files import open_runner
        from alerting_assets.lakehouse import open_lakehouse
        from alerting_assets.lakehouse.tables import create_tables
        from alerting_assets.settings import Settings

        settings = Settings.from_environment()
        stack = config.stash.setdefault(_STACK, ExitStack())
        lakehouse = None
        if not settings.has_own_lakehouse or settings.lakehouse_root.exists():
            lakehouse = stack.enter_context(open_lakehouse(settings))
            create_tables(lakehouse)
        config.stash[_RUNNER] = stack.enter_context(open_runner(settings, lakehouse))
    return config.stash[_RUNNER]
