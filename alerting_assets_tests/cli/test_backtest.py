from __future__ import annotations

import csv
from collections.abc import Iterable
from pathlib import Path

import pytest

from alerting_assets_tests.anomaly.histories import hourly, waves
from alerting_assets_tests.cli.home import Home

pytestmark = pytest.mark.unit

THRESHOLD = 115
COLUMNS = ["evaluated_at", "query_result_value", "threshold_met", "ml_score", "ml_suppressed", "notified"]


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path)


def write(home: Home, name: str, rows: Iterable[str], header: str = "timestamp,value,threshold") -> str:
    (home.path / name).write_text("\n".join([header, *rows]) + "\n")
    return name


def history(home: Home, name: str, seed: int = 0, days: int = 20) -> str:
    values = waves(days, seed, noise=8.0).tolist()
    times = hourly(len(values)).astype("datetime64[s]").astype(str)
    return write(home, name, [f"{at},{value},{THRESHOLD}" for at, value in zip(times, values, strict=True)])


def decisions(home: Home, name: str) -> list[dict[str, str]]:
    with (home.path / "out" / name).open(newline="") as file:
        return list(csv.DictReader(file))


def run(home: Home, *arguments: str, operator: str = "GREATER_THAN") -> tuple[int, str]:
    done = home.run("backtest", "--operator", operator, "--output-dir", "out", *arguments)
    return done.returncode, done.stdout + done.stderr


def test_each_row_of_several_files_gets_its_decision(home: Home) -> None:
    names = [history(home, f"{letter}.csv", seed) for seed, letter in enumerate("abc")]
    arguments = ("--operator", "GREATER_THAN", "--threshold-column", "threshold", "--ml", "--output-dir", "out")
    found = home.json("backtest", "--csv", *names, *arguments)
    assert [Path(one["file"]).name for one in found["files"]] == names
    for name, summary in zip(names, found["files"], strict=True):
        rows = decisions(home, name)
        assert list(rows[0]) == COLUMNS
        assert len(rows) == summary["evaluations"] == 480
        for row in rows:
            met = float(row["query_result_value"]) > THRESHOLD
            held = met and row["ml_score"] != "" and float(row["ml_score"]) < 0
            assert (row["threshold_met"], row["ml_suppressed"], row["notified"]) == (
                str(met).lower(),
                str(held).lower(),
                str(met and not held).lower(),
            )
        assert summary["suppressed"] == sum(row["ml_suppressed"] == "true" for row in rows) > 0
        assert (home.path / "out" / f"{Path(name).stem}.png").read_bytes().startswith(b"\x89PNG")
    assert rows[0]["evaluated_at"] == "2026-01-05T00:00:00+00:00"


def test_the_table_tells_what_was_held_and_by_what(home: Home) -> None:
    code, shown = run(
        home,
        "--csv",
        history(home, "a.csv"),
        "--threshold",
        str(THRESHOLD),
        "--ml",
        "--no-charts",
        operator="greater_than",
    )
    assert code == 0
    for words in ("a.csv", "held back", "usual", "seen before", "told lately", "episodes over the threshold", "fewer"):
        assert words in shown
    assert not list((home.path / "out").glob("*.png"))


def test_without_ml_everything_over_the_threshold_is_told(home: Home) -> None:
    assert run(home, "--csv", history(home, "a.csv"), "--threshold", str(THRESHOLD))[0] == 0
    rows = decisions(home, "a.csv")
    assert all(row["notified"] == row["threshold_met"] for row in rows)
    assert {(row["ml_score"], row["ml_suppressed"]) for row in rows} == {("", "false")}


def test_a_value_that_is_missing_is_an_evaluation_that_meets_nothing(home: Home) -> None:
    name = write(
        home, "a.csv", ["2026-01-01 00:00:00,,1", "2026-01-01T01:00:00.5+01:00,5,1", "", "2026-01-01 01:00,nan,1"]
    )
    assert run(home, "--csv", name, "--threshold", "3", "--ml", "--no-charts")[0] == 0
    found = [(row["evaluated_at"], row["query_result_value"], row["notified"]) for row in decisions(home, "a.csv")]
    assert found == [
        ("2026-01-01T00:00:00+00:00", "", "false"),
        ("2026-01-01T00:00:00.500000+00:00", "5.0", "true"),
        ("2026-01-01T01:00:00+00:00", "", "false"),
    ]


def test_a_header_alone_is_a_history_without_evaluations(home: Home) -> None:
    assert run(home, "--csv", write(home, "a.csv", []), "--threshold", "1", "--ml")[0] == 0
    assert decisions(home, "a.csv") == []


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "bad.csv: is empty; it needs a header with timestamp and value"),
        ("time,value\n", "bad.csv:1: timestamp: there is no such column; there are 'time', 'value'"),
        (
            "timestamp,valeu\n",
            "bad.csv:1: value: there is no such column; there are 'timestamp', 'valeu'; did you mean 'valeu'?",
        ),
        ("timestamp,value,value\n", "bad.csv:1: value: there are two columns of this name"),
        ("timestamp,value\n2026-01-01,1,2\n", "bad.csv:2: has 3 fields, the header has 2"),
        ("timestamp,value\n2026-01-01,1\nsoon,1\n", "bad.csv:3: timestamp: 'soon' is no time"),
        (
            "timestamp,value\n0001-01-01T00:00:00+10:00,1\n",
            "bad.csv:2: timestamp: '0001-01-01T00:00:00+10:00' is no time",
        ),
        ("timestamp,value\n1026-01-01,1\n", "bad.csv:2: timestamp: '1026-01-01' is no year of our time"),
        ("timestamp,value\n2026-01-02,1\n2026-01-01,1\n", "bad.csv:3: timestamp: '2026-01-01' is before the row above"),
        ("timestamp,value\n2026-01-01,1\n\n2026-01-02,many\n", "bad.csv:4: value: 'many' is no number"),
        ('timestamp,value\n2026-01-01,"1\n', "bad.csv:2: is no CSV"),
    ],
)
def test_a_wrong_file_is_named_with_line_and_column(home: Home, text: str, words: str) -> None:
    (home.path / "bad.csv").write_text(text)
    code, shown = run(home, "--csv", "bad.csv", "--threshold", "1", "--ml")
    assert code == 2
    assert words in shown


def test_all_that_is_wrong_is_told_up_to_a_limit(home: Home) -> None:
    rows = [f"2026-01-01,{'x' if number else '1'},{'' if number == 3 else 'inf'}" for number in range(40)]
    code, shown = run(home, "--csv", write(home, "bad.csv", rows), "--threshold-column", "threshold")
    assert code == 2
    assert "bad.csv:3: value: 'x' is no number" in shown
    assert shown.count("error:") == 21
    assert "more such problems" in shown


def test_a_threshold_must_be_a_finite_number(home: Home) -> None:
    name = write(home, "bad.csv", ["2026-01-01,1,2", "2026-01-02,1,", "2026-01-03,1,inf"])
    code, shown = run(home, "--csv", name, "--threshold-column", "threshold")
    assert code == 2
    assert "bad.csv:3: threshold: '' is no number" in shown
    assert "bad.csv:4: threshold: 'inf' is no finite number" in shown


def test_what_cannot_be_read_or_written_is_said(home: Home) -> None:
    (home.path / "latin.csv").write_bytes(b"timestamp,value\n2026-01-01,\xe9\n")
    (home.path / "folder.csv").mkdir()
    (home.path / "file").write_text("")
    name = history(home, "a.csv", days=1)
    for arguments, words in (
        (("--csv", "none.csv"), "none.csv: cannot be read: No such file or directory"),
        (("--csv", "folder.csv"), "folder.csv: cannot be read: Is a directory"),
        (("--csv", "latin.csv"), "latin.csv: is no UTF-8 text: byte 27 is 0xe9"),
        (("--csv", name, "--output-dir", "file"), "cannot be written: "),
    ):
        code, shown = run(home, *arguments, "--threshold", "1")
        assert (code, words in shown) == (2, True), shown


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((), "a threshold is missing: give --threshold X, or --threshold-column NAME"),
        (("--threshold", "1", "--threshold-column", "t"), "--threshold and --threshold-column exclude each other"),
        (("--threshold", "nan"), "--threshold nan is no finite number"),
        (
            ("--threshold", "1", "--operator", "EQUAL"),
            "--operator 'EQUAL' is not compared with one threshold, or has no side",
        ),
        (("--threshold", "1", "--operator", "GREATER"), "is no operator; give one of GREATER_THAN, "),
        (("--threshold", "1", "--timezone", "Mars/Base"), "--timezone 'Mars/Base' is no time zone"),
        (("--threshold", "1", "--ml-threshold", "1"), "--ml-threshold needs --ml"),
        (("--threshold", "1", "a.csv"), "a.csv and a.csv have the same name, and so the same output"),
        (("--threshold", "1", "--output-dir", "."), "--output-dir . is where a.csv lies: the output would replace it"),
    ],
)
def test_a_wrong_call_says_what_to_give(home: Home, arguments: tuple[str, ...], words: str) -> None:
    code, shown = run(home, "--csv", history(home, "a.csv", days=1), *arguments)
    assert code == 2
    assert words in shown
