"""What a YAML text means is what ruamel.yaml makes of it, also where libyaml reads it."""

from __future__ import annotations

from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import alerting_assets
from alerting_assets.alerts import yaml_text
from alerting_assets.alerts.yaml_text import YamlList, YamlMap, read_document
from alerting_assets.errors import DefinitionError

pytestmark = pytest.mark.unit

PACKAGE = Path(alerting_assets.__file__).parent
SHIPPED = sorted([*PACKAGE.rglob("*.yml"), *(PACKAGE.parent / "alerts").rglob("*.yml")])
PIECES = (
    *(
        "a",
        "x y",
        "- ",
        "? ",
        ": ",
        ":",
        "\n",
        "\n  ",
        "\n    ",
        "\n- ",
        "\n  - ",
        "# c",
        " # c",
        "'",
        '"',
        "''",
        "\\n",
    ),
    *(
        "\\",
        "\\x41",
        "[",
        "]",
        "{",
        "}",
        ", ",
        "|",
        "|-",
        "|+",
        ">",
        ">-",
        "|2",
        "\n\n",
        "...",
        "\n---\n",
        "\n...\n",
        "%",
    ),
    *(
        "!",
        "&a",
        "*a",
        "~",
        "null",
        "true",
        "yes",
        "on",
        "12",
        "0o17",
        "017",
        "0x1F",
        "1_0",
        "1.5",
        "1e3",
        "+1",
        "-1",
        "-_",
    ),
    *("12:30:00", "2026-11-02", "2026-11-02T12:00:00Z", "2026-99-99", ".inf", "<<", "=", "é", "—", "😀", "@", "key: v"),
    *(
        "k: |\n    t\n",
        ">\n  f1\n  f2\n",
        "'q'",
        '"d"',
        "- a",
        "a: b",
        "\n   \n",
        "\t",
        "\x85",
        "\u2028",
        "\ufeff",
        "\r\n",
    ),
)
LINES = st.lists(
    st.tuples(
        st.sampled_from(["", "", "  ", "  ", "    "]),
        st.sampled_from(["- ", "", "a: ", "b: ", "- a: "]),
        st.lists(st.sampled_from(PIECES), max_size=4).map("".join),
    ).map("".join),
    max_size=6,
).map("\n".join)


@st.composite
def changed_files(draw: st.DrawFn) -> str:
    text = draw(st.sampled_from(SHIPPED)).read_text(encoding="utf-8")
    for _ in range(draw(st.integers(1, 3))):
        place = draw(st.integers(0, len(text)))
        text = text[:place] + draw(st.sampled_from(PIECES)) + text[place + draw(st.integers(0, 3)) :]
    return text


def told(read: Any) -> Any:
    """Types and lines included."""
    if isinstance(read, YamlMap):
        return (
            "map",
            read.line,
            [(key, read.lines.get(key), read.blocks.get(key), told(value)) for key, value in read.items()],
        )
    if isinstance(read, YamlList):
        return "list", read.lines, [told(item) for item in read]
    return type(read), repr(read)


def by_ruamel(text: str) -> Any:
    return told(yaml_text._Undecorator("a.yml").value_of(yaml_text.read_round_trip("a.yml", text)))


def outcome(read: Any, text: str) -> Any:
    try:
        return read(text)
    except DefinitionError as error:
        return str(error)


@given(st.one_of(st.lists(st.sampled_from(PIECES), max_size=12).map("".join), LINES, changed_files(), st.text()))
def test_a_text_means_what_ruamel_makes_of_it(text: str) -> None:
    expected = outcome(by_ruamel, text)
    if "cannot be read" not in str(expected):  # ruamel fails on some comments that mean nothing
        assert outcome(lambda text: told(read_document("a.yml", text)), text) == expected


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.name)
def test_shipped_files_are_read_by_libyaml_and_mean_the_same(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert told(yaml_text._read_fast(text)) == by_ruamel(text)


@pytest.mark.parametrize(
    ("written", "value"),
    [
        ("on", "on"),
        ("no", "no"),
        ("yes", "yes"),
        ("True", True),
        ("null", None),
        ("~", None),
        ("", None),
        ("017", 17),
        ("0o17", 15),
        ("0x1F", 31),
        ("1_000", 1000),
        ("12:30:00", "12:30:00"),
        ("1e3", 1000.0),
        ("+1.5", 1.5),
        ("100.0", 100.0),
        ("-7", -7),
        ("'7'", "7"),
        ("2026-11-02", date(2026, 11, 2)),
        ("2026-11-02 12:00:00", datetime(2026, 11, 2, 12)),  # noqa: DTZ001
        ("2026-11-02T12:00:00Z", datetime(2026, 11, 2, 12, tzinfo=UTC)),
        ("24 hours", "24 hours"),
        ("|\n    SELECT 1\n    # no comment\n", "SELECT 1\n# no comment\n"),
        (">-\n    one\n    line\n", "one line"),
        ("&x [1, 2]", [1, 2]),
    ],
)
def test_values_are_those_of_yaml_1_2(written: str, value: Any) -> None:
    (found,) = read_document("a.yml", f"a: {written}\n").values()
    assert found == value
    assert type(found) is type(value) or isinstance(found, YamlList)


def test_what_is_merged_in_and_what_stands_beside_it_have_lines() -> None:
    read = read_document("a.yml", "one: &one\n  a: 1\ntwo:\n  <<: *one\n  b: 2\n")
    assert read["two"] == {"a": 1, "b": 2}
    assert [yaml_text.line_of(read["two"], field) for field in ("a", "b", None)] == [4, 5, 4]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("a: 1\nb: 2\na: 3\n", 'a.yml:3: YAML: found duplicate key "a"'),
        ("a: 1\n---\na: 2\n", "a.yml:2: YAML: but found another document"),
        ("a: 2026-99-99\n", "a.yml:1: YAML: cannot be read (month must be in 1..12)"),
        ("a: -_\n", "a.yml:1: YAML: cannot be read"),
        ("[" * 50_000, "a.yml:1: YAML: is nested too deeply"),
    ],
)
def test_what_cannot_be_read_is_told_with_its_line(text: str, says: str) -> None:
    with pytest.raises(DefinitionError) as caught:
        read_document("a.yml", text)
    assert says in str(caught.value)
