"""`python -m alerting_assets_tests.spark.probe`: whether a Spark with Delta can be started here; says why not and exits with 1."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from alerting_assets.errors import LakehouseUnavailable
from alerting_assets.lakehouse.spark import LocalSparkLakehouse


def main() -> int:
    with tempfile.TemporaryDirectory() as folder:
        try:
            with LocalSparkLakehouse(Path(folder) / "lakehouse", "cat", "main") as engine:
                version = engine.query("SELECT version() AS v").to_pylist()[0]["v"]
        except LakehouseUnavailable as error:
            log = Path(folder) / "spark.log"
            print(log.read_text(errors="replace")[-2000:] if log.exists() else "", error, sep="\n")
            return 1
    print(f"Spark {version.split()[0]} with Delta starts here")
    return 0


if __name__ == "__main__":
    sys.exit(main())
