"""What the pages and comments of the repository refer to is in the repository, and docs/architecture.md tells of all that there is."""

import re
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

from alerting_assets.lakehouse.tables import TABLES

pytestmark = pytest.mark.unit

CHECKOUT = Path(__file__).parents[1]
ARCHITECTURE = CHECKOUT / "docs" / "architecture.md"
PAGES = sorted([*CHECKOUT.glob("*.md"), *CHECKOUT.glob("docs/*.md")])
FOLDERS = ("alerting_assets", "alerting_assets_tests", "alerts", "benchmarks", "docs", ".ci", ".github")
BINARY = (".png", ".pyc")


def texts() -> Iterator[tuple[Path, str]]:
    """Every file of the checkout that people wrote, and its text."""
    files = [path for path in CHECKOUT.iterdir() if path.is_file() and path.name != ".git"]
    files += [path for folder in FOLDERS for path in (CHECKOUT / folder).rglob("*") if path.is_file()]
    for path in sorted(files):
        if path.suffix not in BINARY and path != Path(__file__):
            yield path.relative_to(CHECKOUT), path.read_text(encoding="utf-8")


def anchors(page: Path) -> set[str]:
    """What GitHub calls the headings of a page: lower case, blanks as hyphens, no punctuation."""
    text = re.sub(r"^```.*?^```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL | re.MULTILINE)
    headings = re.findall(r"^#+ (.+?)\s*$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_the_architecture_names_every_room_in_order() -> None:
    contract = tomllib.loads((CHECKOUT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"][0]
    rooms = [layer.removeprefix("alerting_assets.") for layer in contract["layers"]]
    section = ARCHITECTURE.read_text(encoding="utf-8").partition("## The rooms")[2].partition("\n### ")[0]
    assert re.findall(r"^\| `(\w+)` \|", section, re.MULTILINE) == rooms


def test_the_architecture_names_every_table_and_column() -> None:
    section = ARCHITECTURE.read_text(encoding="utf-8").partition("## Tables")[2].partition("\n## ")[0]
    described = dict(re.findall(r"^\*\*(\w+)\*\*(.*?)(?=^\*\*|\Z)", section, re.DOTALL | re.MULTILINE))
    assert described.keys() == {table.name for table in TABLES}
    for table in TABLES:
        named = re.findall(r"`(\w+)`(\\\*)?", described[table.name].partition("|---|---|")[2])
        required = {name for name, star in named if star}
        assert {column.name for column in table.columns} <= {name for name, _ in named}, table.name
        assert {column.name for column in table.columns if not column.nullable} == required, table.name


def test_every_link_leads_somewhere() -> None:
    broken = []
    for page in PAGES:
        for target in re.findall(r"\]\(([^)\s]+)\)", page.read_text(encoding="utf-8")):
            if target.startswith(("https://", "http://")):
                continue
            file, _, anchor = target.partition("#")
            linked = (page.parent / file).resolve() if file else page
            if not linked.exists() or (anchor and anchor not in anchors(linked)):
                broken.append(f"{page.name}: {target}")
    assert broken == []


def test_files_that_pages_name_are_there() -> None:
    """Paths in backticks that begin with a folder of the repository."""
    wrong = []
    for page in PAGES:
        for path in re.findall(
            r"`((?:alerting_assets|alerting_assets_tests|benchmarks|docs)/[\w./-]+)`", page.read_text(encoding="utf-8")
        ):
            if not (CHECKOUT / path).exists():
                wrong.append(f"{page.name}: {path}")
    assert wrong == []


def test_what_comments_refer_to_is_in_the_repository() -> None:
    elsewhere = re.compile(
        r"\b(?:DESIGN|FACTS)\b|\b[Dd]ecisions? \d|\b[Ss]ections? \d|\b[Tt]he specification\b|\b[Ii]ssues? #?\d"
    )
    headings = re.compile(r'docs/(\w+\.md),\s+(?:#\s*)?"([^"]+)"')
    wrong = []
    for path, text in texts():
        wrong += [f"{path}: {found[0]}" for found in elsewhere.finditer(text) if path.name != "LICENSE"]
        for page, heading in headings.findall(text):
            lines = (CHECKOUT / "docs" / page).read_text(encoding="utf-8").splitlines()
            if not any(re.fullmatch(rf"#+ (?:\d+\. )?{re.escape(heading)}", line) for line in lines):
                wrong.append(f"{path}: {page} has no heading {heading!r}")
    assert wrong == []
