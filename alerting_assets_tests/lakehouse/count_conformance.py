"""`python -m alerting_assets_tests.lakehouse.count_conformance`: how many cases of the one suite each engine has, thorough ones included.
It runs none."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

ENGINES = {
    "embedded": ("lakehouse/test_embedded.py", "TestEmbeddedLakehouse"),
    "Spark + Delta": ("spark/test_local.py", "TestLocalSparkLakehouse"),
    "warehouse over HTTP": ("spark/test_warehouse.py", "TestWarehouseLakehouse"),
}
OF_ENGINE = re.compile(r"def (test_\w+)\(", re.M)


def main() -> None:
    tests = Path(__file__).parents[1]
    suite = {
        name
        for module in ("conformance.py", "writers.py")
        for name in OF_ENGINE.findall((tests / "lakehouse" / module).read_text(encoding="utf-8"))
    }
    for engine, (file, suite_class) in ENGINES.items():
        command = [sys.executable, "-m", "pytest", "--collect-only", "-q", "-m", "", str(tests / file)]
        listed = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()
        names = [re.split(r"\[", line.rpartition("::")[2])[0] for line in listed if f"::{suite_class}::" in line]
        of_suite = sum(name in suite for name in names)
        print(f"conformance, {engine}: {of_suite} cases, and {len(names) - of_suite} of its own")


if __name__ == "__main__":
    main()
