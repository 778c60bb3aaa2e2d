"""A folder with alert definitions and a lakehouse, and the `alerting` command run in it."""

from __future__ import annotations

import gc
import io
import json
import logging
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from alerting_assets.cli import main
from alerting_assets.lakehouse.embedded import EmbeddedLakehouse
from alerting_assets.settings import Settings
from alerting_assets_tests.examples import values

COMMAND = [sys.executable, "-c", "from alerting_assets.cli import main; main()"]
PROCESS_SECONDS = 240


def clean_environment(**additions: str) -> dict[str, str]:
    """The environment of this process without any setting that changes what our commands do, and with these additions.

    Without PYTHONUNBUFFERED, too: with it, a command that forgets to flush what somebody waits for would pass here only."""
    deciding = ("ALERTING_", "DATABRICKS_", "DAGSTER_", "PYTHONUNBUFFERED")
    return {**{name: value for name, value in os.environ.items() if not name.startswith(deciding)}, **additions}


class Home:
    """`run` and `json` run the command inside this process, which saves the two seconds of its start; what is about a process (its
    signals, its start, its end) uses `run_process` or `COMMAND`."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.settings = Settings(home=path / "home")
        (path / "alerts").mkdir()
        self.environment = clean_environment(ALERTING_HOME=str(self.settings.home), COLUMNS="200")

    def define(self, *alerts: dict[str, Any], file: str = "alerts.yml") -> None:
        entries = [
            values(**{"aggregation_type": None, "alert_query_template": "SELECT 150.0 AS cost", **alert})
            for alert in alerts
        ]
        (self.path / "alerts" / file).write_text(json.dumps({"alerts": entries}))

    def run(self, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        return run_here(arguments, self.path, {**self.environment, **environment})

    def run_process(self, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [*COMMAND, *arguments],
            cwd=self.path,
            env={**self.environment, **environment},
            capture_output=True,
            text=True,
            timeout=PROCESS_SECONDS,
        )

    def json(self, *arguments: str, expect: int = 0, **environment: str) -> Any:
        done = self.run(*arguments, "--json", **environment)
        assert done.returncode == expect, done.stderr
        return json.loads(done.stdout)

    def tables(self) -> EmbeddedLakehouse:
        return EmbeddedLakehouse(self.settings.lakehouse_root, self.settings.catalog, self.settings.schema)


def run_here(
    arguments: tuple[str, ...], folder: Path, environment: Mapping[str, str], given: str = ""
) -> subprocess.CompletedProcess[str]:
    """The command with these arguments, in this process but with a folder, an environment, standard streams and a log of its own.

    given: its standard input. An exception that the command does not handle is the caller's, as a traceback would be a user's."""
    stdout, stderr = (io.TextIOWrapper(io.BytesIO(), encoding="utf-8", write_through=True) for _ in range(2))
    stdin = io.TextIOWrapper(io.BytesIO(given.encode()), encoding="utf-8")
    with _in_place(folder, environment, ["alerting", *arguments], (stdin, stdout, stderr)):
        try:
            main()
            code: Any = 0
        except SystemExit as end:
            code = end.code
    texts = (stream.buffer.getvalue().decode() for stream in (stdout, stderr))
    return subprocess.CompletedProcess(list(arguments), int(code or 0), *texts)


@contextmanager
def _in_place(
    folder: Path, environment: Mapping[str, str], argv: list[str], streams: tuple[Any, Any, Any]
) -> Iterator[None]:
    root = logging.getLogger()
    kept = (dict(os.environ), os.getcwd(), sys.argv, (sys.stdin, sys.stdout, sys.stderr), root.handlers[:], root.level)
    collections = gc.get_threshold()
    try:
        os.environ.clear()
        os.environ.update(environment)
        os.chdir(folder)
        sys.argv = argv
        sys.stdin, sys.stdout, sys.stderr = streams
        root.handlers.clear()
        yield
    finally:
        os.environ.clear()
        os.environ.update(kept[0])
        os.chdir(kept[1])
        sys.argv = kept[2]
        sys.stdin, sys.stdout, sys.stderr = kept[3]
        root.handlers[:], root.level = kept[4], kept[5]
        gc.set_threshold(*collections)
