"""What a project decides in `alerts/validation.yml`, as `alerting validate` carries it out."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

import alerting_assets
from alerting_assets.cli.app import app
from alerting_assets.validation.policy import rules_version

pytestmark = pytest.mark.integration

ALERT = """
  - alert_id: {alert_id}
    alert_name: Dice of {alert_id}
    agent_domain: COST
    severity: WARNING
    alert_query_template: SELECT RAND() AS cost
    aggregation_column: cost
    aggregation_type: SUM
    operator: GREATER_THAN
    threshold_value_double: 1
    schedule_cron: 0 0 8 * * ?
    notification_channels: [a@example.com]
    owner: a@example.com
"""
SILENCE = "silences:\n  - {alert_id: RAND-001, rule: is_deterministic, reason: one column}\n"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ALERTING_HOME", str(tmp_path / "home"))
    (tmp_path / "alerts").mkdir()
    (tmp_path / "alerts" / "alerts.yml").write_text(
        "alerts:" + "".join(ALERT.format(alert_id=name) for name in ("RAND-001", "RAND-002"))
    )
    return tmp_path


def validate(folder: Path, policy: str) -> Result:
    (folder / "alerts" / "validation.yml").write_text(policy)
    return CliRunner().invoke(app, ["validate", "--json"])


def report(folder: Path, policy: str) -> dict[str, Any]:
    result = validate(folder, policy)
    assert result.stdout, result.exception
    found: dict[str, Any] = json.loads(result.stdout)
    return found


def random(folder: Path, policy: str) -> dict[str, tuple[str, list[str]]]:
    """(verdict, severities of the finding about RAND) by alert."""
    return {
        item["alert_id"]: (
            item["verdict"],
            [finding["severity"] for finding in item["findings"] if finding["rule"] == "is_deterministic"],
        )
        for item in report(folder, policy)["alerts"]
    }


def test_a_severity_that_the_project_sets_holds_at_once_though_no_query_changed(folder: Path) -> None:
    warned, refused, quiet = ("VALID", ["WARNING"]), ("INVALID", ["ERROR"]), ("VALID", [])
    for policy, expected in (
        ("", warned),
        ("rules: {is_deterministic: ERROR}", refused),
        ("rules: {is_deterministic: off}", quiet),
        ("rules: {}", warned),
    ):
        assert random(folder, policy) == {"RAND-001": expected, "RAND-002": expected}


def test_a_silence_is_about_one_rule_of_one_alert(folder: Path) -> None:
    assert random(folder, SILENCE + "rules: {is_deterministic: ERROR}") == {
        "RAND-001": ("VALID", []),
        "RAND-002": ("INVALID", ["ERROR"]),
    }


def test_a_silence_of_an_alert_that_is_not_configured_is_told(folder: Path) -> None:
    assert report(folder, SILENCE)["notes"] == []
    assert report(folder, SILENCE.replace("RAND-001", "RAND-01"))["notes"] == [
        "validation.yml silences is_deterministic of RAND-01, and no such alert is configured; did you mean 'RAND-001'?"
    ]


@pytest.mark.parametrize(
    ("policy", "says"),
    [
        (
            "rules: {is_deterministics: ERROR}",
            ":1: .*there is no rule 'is_deterministics'; did you mean 'is_deterministic'",
        ),
        ("rules: {one_query: WARNING}", ":1: .*one_query cannot be softened"),
        (SILENCE.replace("is_deterministic", "known_functions"), ":2: .*known_functions cannot be softened"),
        (SILENCE.replace(", reason: one column", ""), ":2: .*has exactly alert_id, rule and reason"),
        (SILENCE.replace("one column", "' '"), ":2: .*none empty"),
        ("rules: {is_deterministic: LOUD}", ":1: .*'LOUD' is not ERROR, WARNING or OFF"),
        ("silence: []", "silence.*is not known; keys are rules, silences, fact_tables"),
        ("- rules", "is a mapping with the keys rules, silences, fact_tables"),
    ],
)
def test_a_mistake_in_the_file_stops_the_command_and_names_the_line(folder: Path, policy: str, says: str) -> None:
    with pytest.raises(Exception, match=f"(?s)validation.yml.*{says}"):
        raise validate(folder, policy).exception or AssertionError("it was accepted")


def test_the_version_of_the_rules_is_that_of_all_files_that_judge(tmp_path: Path) -> None:
    package = Path(alerting_assets.__file__).parent

    def version_with(change: Callable[[Path], object], name: str) -> str:
        for room in ("alerts", "lakehouse", "validation"):
            shutil.copytree(package / room, tmp_path / name / room, ignore=shutil.ignore_patterns("__pycache__"))
        change(tmp_path / name)
        return rules_version(tmp_path / name)

    assert version_with(lambda _: None, "as it is") == rules_version()
    versions = {
        rules_version(),
        version_with(lambda copy: (copy / "validation" / "signatures.txt").write_text("abs text\n"), "signatures"),
        version_with(lambda copy: (copy / "lakehouse" / "functions.txt").open("a").write("reflect\n"), "functions"),
        version_with(lambda copy: (copy / "validation" / "spark" / "types.py").unlink(), "a rule less"),
        version_with(lambda copy: (copy / "alerts" / "parse.py").open("a").write("# more\n"), "parser"),
    }
    assert len(versions) == 5
