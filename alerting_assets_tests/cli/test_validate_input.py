"""What `alerting validate` says to files that are not what they should be."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from alerting_assets.cli.app import app

pytestmark = pytest.mark.integration

QUERY = "SELECT 1 AS n"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ALERTING_HOME", str(tmp_path / "home"))
    (tmp_path / "alerts").mkdir()
    return tmp_path


def validate(*arguments: str) -> Result:
    return CliRunner().invoke(app, ["validate", *arguments])


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize("option", ["--sql-file", "--jsonl"])
def test_a_path_that_is_no_file_is_named(option: str) -> None:
    for name, reason in (("nope", "No such file or directory"), ("alerts", "Is a directory")):
        result = validate(option, name)
        assert str(result.exception) == f"{option} {name}: cannot be read: {reason}"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "the text is empty: without comments no query is left"),
        (b"-- later", "the text is empty: without comments no query is left"),
        ("SELECT 1 AS n".encode("utf-16"), "the file is not UTF-8 text (byte 1)"),
        (b"SELECT ${days} AS n", "${days} is not resolved; known here: ${catalog}, ${gold_schema}"),
    ],
)
def test_a_file_without_a_query_has_a_finding_that_says_so(folder: Path, content: bytes, message: str) -> None:
    (folder / "q.sql").write_bytes(content)
    result = validate("--sql-file", "q.sql", "--json")
    (finding,) = json.loads(result.stdout)["findings"]
    assert (result.exit_code, finding["message"]) == (1, message)


def test_a_byte_order_mark_is_no_part_of_the_text(folder: Path) -> None:
    (folder / "q.sql").write_text(QUERY, encoding="utf-8-sig")
    assert json.loads(validate("--sql-file", "q.sql", "--json").stdout)["verdict"] == "VALID"
    (folder / "q.jsonl").write_text(json.dumps({"id": 1, "sql": QUERY}), encoding="utf-8-sig")
    assert json.loads(validate("--jsonl", "q.jsonl", "--json").stdout)["verdict"] == "VALID"


OPERATORS = (
    "GREATER_THAN, GREATER_THAN_OR_EQUAL, LESS_THAN, LESS_THAN_OR_EQUAL, EQUAL, NOT_EQUAL, IS_NULL, IS_NOT_NULL, BETWEEN, NOT_BETWEEN, IN, "
    "NOT_IN, MATCHES, NOT_MATCHES, CHANGES_BY"
)


WRONG = {
    b'{"id": 1, "sql": "x"': "line 1 is not JSON: Expecting ',' delimiter at character 21",
    b"sql": "line 2 is not JSON: Expecting value at character 1",
    b'"\xff"': "line 3 is not UTF-8 text (byte 2)",
    b"[" * 100_000: "line 4 cannot be read: maximum recursion depth exceeded",
    b"[1]": "line 5 is no JSON object",
    b"{}": '"sql" is missing or no text',
    b'{"sql": "SELECT 1 AS n", "aggregation_column": 1}': '"aggregation_column" is no text',
    b'{"sql": "SELECT 1 AS n", "aggregation_column": "n", "operator": "greater_than"}': (
        f"\"operator\" 'greater_than' is not known; use one of: {OPERATORS}"
    ),
    b'{"sql": "SELECT 1 AS n", "aggregation_column": "n", "operator": "EQUAL", "threshold_value_double": "1"}': (
        '"threshold_value_double" is no finite number'
    ),
}


def test_a_wrong_line_is_named_and_costs_no_other(folder: Path) -> None:
    good = json.dumps({"id": "good", "sql": QUERY}).encode()
    (folder / "q.jsonl").write_bytes(b"\n".join([*WRONG, good]))
    result = validate("--jsonl", "q.jsonl", "--json")
    *wrong, last = map(json.loads, result.stdout.splitlines())
    assert result.exit_code == 1
    assert last == {"id": "good", "verdict": "VALID", "findings": []}
    assert {verdict["verdict"] for verdict in wrong} == {"INVALID"}
    assert {finding["rule"] for verdict in wrong for finding in verdict["findings"]} == {"input"}
    for verdict, message in zip(wrong, WRONG.values(), strict=True):
        assert verdict["findings"][0]["message"].startswith(message)


def test_no_lines_are_no_findings(folder: Path) -> None:
    (folder / "q.jsonl").write_text("\n \n")
    result = validate("--jsonl", "q.jsonl")
    assert (result.exit_code, result.stdout) == (0, "0 VALID  0 INVALID  0 UNSUPPORTED\n")


def test_a_policy_that_cannot_be_read_is_named(folder: Path) -> None:
    (folder / "q.sql").write_text(QUERY)
    policy = folder / "alerts" / "validation.yml"
    policy.write_bytes(b"rules: {no_select_star: \xff}")
    assert str(validate("--sql-file", "q.sql").exception) == "validation.yml: is not UTF-8 text (byte 25)"
    policy.unlink()
    policy.mkdir()
    assert str(validate("--sql-file", "q.sql").exception) == "validation.yml: cannot be read: Is a directory"
    policy.rename(policy.with_suffix(".yaml"))
    assert str(validate("--sql-file", "q.sql").exception) == "validation.yaml: is called validation.yml; rename it"
