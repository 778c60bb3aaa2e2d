"""The files of a folder of definitions: read them all, add entries to one, replace it whole."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from io import StringIO
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap, CommentedSeq
from ruamel.yaml.error import YAMLError
from ruamel.yaml.scalarstring import DoubleQuotedScalarString, LiteralScalarString

from alerting_assets.alerts.definitions import LISTED
from alerting_assets.alerts.yaml_text import read_round_trip
from alerting_assets.errors import DefinitionError, Problem, SettingsError
from alerting_assets.settings import NOTIFY_FILE, ROUTING_FILE, VALIDATION_FILE

SUFFIXES = (".yml", ".yaml")
TESTS = "tests"
"""Folders of unit tests of alerts, wherever they are below the folder of the definitions."""
TEMPLATES = "templates"
"""The folder of the user's own templates, below the folder of the definitions."""
RESERVED = (TESTS, TEMPLATES, *LISTED)
SINGLE = {
    VALIDATION_FILE: "what the project decides about validation",
    ROUTING_FILE: "the routes",
    NOTIFY_FILE: "who is told of failures",
}
"""Files beside the definitions' first ones that hold no alerts, and what they hold."""


@dataclass(frozen=True)
class Folder:
    """The files of a folder of definitions.

    texts: by name, ordered by it: the path below the folder, with `/`.
    problems: of files that cannot be read, or that stand where they are not looked for.
    unreadable: what can be made out of the files that cannot be read, by name; None where that is nothing."""

    texts: Mapping[str, str]
    problems: tuple[Problem, ...] = ()
    unreadable: Mapping[str, str | None] = field(default_factory=dict)


def read_folder(directory: Path) -> Folder:
    """Read all files of definitions, those of subfolders included. A folder that is not there holds none.

    Raises DefinitionError where `directory` is no folder."""
    if directory.exists() and not directory.is_dir():
        raise DefinitionError(
            [Problem("is no folder; ALERTING_DEFINITIONS names the folder of the *.yml files", file=str(directory))]
        )
    texts: dict[str, str] = {}
    problems: list[Problem] = []
    unreadable: dict[str, str | None] = {}
    for name, path in _definition_files(directory):
        misplaced = _misplaced(name)
        if misplaced:
            problems.append(Problem(misplaced, file=name))
            continue
        one = _read(name, path)
        texts |= one.texts
        problems += one.problems
        unreadable |= one.unreadable
    return Folder(texts, tuple(problems), unreadable)


def read_single(directory: Path, name: str) -> Folder:
    """One file of the folder, and nothing where it is not there."""
    path = directory / name
    return _read(name, path) if path.exists() or path.is_symlink() else Folder({})


def _read(name: str, path: Path) -> Folder:
    try:
        content = path.read_bytes()
    except OSError as error:
        return Folder({}, (Problem(f"cannot be read: {error.strerror}", file=name),), {name: None})
    try:
        return Folder({name: content.decode("utf-8")})
    except UnicodeDecodeError as error:
        problem = Problem(f"is not UTF-8 text (byte {error.start})", file=name)
        return Folder({}, (problem,), {name: content.decode("utf-8", "replace")})


def read_files(directory: Path) -> dict[str, str]:
    """The texts of a folder whose files can all be read. Raises DefinitionError."""
    folder = read_folder(directory)
    if folder.problems:
        raise DefinitionError(folder.problems)
    return dict(folder.texts)


def _definition_files(directory: Path) -> list[tuple[str, Path]]:
    """(name, path) of each, ordered by name. Hidden folders are left out, and what `tests` and `templates` of the folder hold, which
    are no definitions. Links are followed, each folder once."""
    found: list[tuple[str, Path]] = []
    seen: set[str] = set()
    for place, folders, files in os.walk(directory, followlinks=True):
        here = Path(place)
        real = os.path.realpath(place)
        if real in seen:
            folders.clear()
            continue
        seen.add(real)
        others = RESERVED if here == directory else (TESTS,)
        folders[:] = sorted(name for name in folders if not name.startswith(".") and name not in others)
        for file in files:
            name = (here / file).relative_to(directory).as_posix()
            if file.endswith(SUFFIXES) and not file.startswith(".") and name not in SINGLE:
                found.append((name, here / file))
    return sorted(found)


def _misplaced(name: str) -> str | None:
    *folders, file = name.split("/")
    for folder in (TEMPLATES, *LISTED):
        if folder in folders:
            return f"{folder} are read from the folder {folder} beside the definitions' first files only; move it there"
    if file in SINGLE:
        return f"{file} is read where the definitions' first files lie only; move it there"
    if file.removesuffix(".yaml") + ".yml" == ROUTING_FILE:
        return f"is not read under this name; call it {ROUTING_FILE}"
    return None


def file_name(directory: Path, given: str) -> str:
    """The name of a file of definitions that entries can be added to. given: its name, or a path to it.

    Raises SettingsError for a file that the loader would not read, or would not read as definitions."""
    path, root = Path(given), directory.resolve()
    inside = path.resolve() if path.resolve().is_relative_to(root) else (root / path).resolve()
    if not inside.is_relative_to(root):
        raise SettingsError(
            f"--file {given}: lies outside of {directory}, the folder of the definitions; give a name in it"
        )
    name = inside.relative_to(root).as_posix()
    if path.suffix not in SUFFIXES:
        raise SettingsError(f"--file {given}: definitions are read from *.yml files; give a name that ends so")
    if name in SINGLE:
        raise SettingsError(f"--file {given}: that file holds {SINGLE[name]}; give another name")
    folders = name.split("/")[:-1]
    if any(folder in RESERVED or folder.startswith(".") for folder in folders):
        raise SettingsError(f"--file {given}: that folder holds no definitions; give another name")
    return name


def appended(file: str, text: str, entries: Iterable[Mapping[str, Any]]) -> str:
    """The text of a file with these entries behind the ones that it has. Its comments stay; strings of several lines become blocks.

    Raises DefinitionError for a text that is no list under `alerts:`."""
    document = read_round_trip(file, text) if text.strip() else CommentedMap(alerts=CommentedSeq())
    if not isinstance(document, CommentedMap) or not isinstance(document.get("alerts"), CommentedSeq):
        raise DefinitionError([Problem("is no list under `alerts:`, so nothing can be added to it", file=file)])
    document["alerts"].extend(CommentedMap({name: _block(value) for name, value in entry.items()}) for entry in entries)
    return _dumped(document)


@contextmanager
def replacement(path: Path, text: str) -> Iterator[Callable[[], None]]:
    """Write the new text beside the file, safe on the disk. The function that is yielded puts it in place, whole or not at all.

    Raises DefinitionError where the folder cannot be written to."""
    try:
        name = _written_beside(path, text)
    except OSError as error:
        raise DefinitionError([Problem(f"cannot be written: {error.strerror}", file=path.name)]) from None

    def put_in_place() -> None:
        try:
            os.replace(name, path)
        except OSError as error:
            raise DefinitionError([Problem(f"cannot be written: {error.strerror}", file=path.name)]) from None

    try:
        yield put_in_place
    finally:
        name.unlink(missing_ok=True)


def _written_beside(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "w", encoding="utf-8", newline="") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(name, 0o644)
    except BaseException:
        os.unlink(name)
        raise
    return Path(name)


def _block(value: Any) -> Any:
    """A string as YAML writes it: several lines become a block; what a block, or YAML's plain style, would not hold letter for
    letter stands in quotes with escapes."""
    if not isinstance(value, str) or (value.isascii() and value.isprintable()):
        return value
    node = LiteralScalarString(value) if "\n" in value else value
    try:
        is_kept = YAML(typ="rt", pure=True).load(_dumped({"alerts": [{"text": node}]}))["alerts"][0]["text"] == value
    except YAMLError:
        is_kept = False
    return node if is_kept else DoubleQuotedScalarString(value)


def _dumped(document: Any) -> str:
    writer = YAML(typ="rt", pure=True)
    writer.width = 140
    writer.indent(mapping=2, sequence=4, offset=2)
    stream = StringIO()
    writer.dump(document, stream)
    return stream.getvalue()
