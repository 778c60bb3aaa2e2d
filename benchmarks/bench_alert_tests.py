"""How long 100 unit tests of alerts take once the engine is up, and how that compares with one query of it. Prints JSON."""

from __future__ import annotations

import json
import time
from dataclasses import replace
from pathlib import Path

from alerting_assets.configuration.templates import TemplateCatalog
from alerting_assets.evaluation.unit_test_files import collect_tests, open_runner
from alerting_assets.lakehouse.scratch import ScratchEngine
from alerting_assets.settings import Settings

TESTS = 100
ALERTS = Path(__file__).parents[1] / "alerts"


def main() -> None:
    shipped = collect_tests(Path("nowhere"), TemplateCatalog(), shipped=True)
    tests = [replace(shipped[number % len(shipped)], name=str(number)) for number in range(TESTS)]
    with open_runner(Settings(definitions=ALERTS), None) as runner, ScratchEngine() as engine:
        runner.run(tests[:1])
        started = time.perf_counter()
        outcomes = runner.run(tests)
        seconds = time.perf_counter() - started
        engine.query([], lambda _: "SELECT 1 AS one")
        started = time.perf_counter()
        for _ in range(TESTS):
            engine.query([], lambda _: "SELECT 1 AS one")
        one_by_one = time.perf_counter() - started
    figures = {
        "tests": TESTS,
        "failed": sum(not outcome.passed for outcome in outcomes),
        "seconds": round(seconds, 2),
        "seconds_of_as_many_trivial_queries": round(one_by_one, 2),
        "ratio": round(seconds / one_by_one, 2),
    }
    print(json.dumps(figures, indent=2))


if __name__ == "__main__":
    main()
