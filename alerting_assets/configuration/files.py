"""The files of a definitions folder: read them all, add entries to one, replace it whole."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from io import StringIO
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap, CommentedSeq
from ruamel.yaml.error import YAMLError
from ruamel.yaml.scalarstring import DoubleQuotedScalarString, LiteralScalarString

from alerting_assets.alerts.yaml_text import read_round_trip
from alerting_assets.errors import DefinitionError, Problem, SettingsError
from alerting_assets.settings import VALIDATION_FILE

SUFFIXES = (".yml", ".yaml")


def read_files(directory: Path) -> dict[str, str]:
    """name → text of all files of definitions, ordered by name; none for a folder that is not there.

    Raises DefinitionError for one that cannot be read."""
    if directory.exists() and not directory.is_dir():
        raise DefinitionError(
            [Problem("is no folder; ALERTING_DEFINITIONS names the folder of the *.yml files", file=str(directory))]
        )
    files: dict[str, str] = {}
    for path in sorted(found for suffix in SUFFIXES for found in directory.glob(f"*{suffix}")):
        if path.name == VALIDATION_FILE:
            continue
        try:
            files[path.name] = path.read_text(encoding="utf-8")
        except UnicodeDecodeError as error:
            raise DefinitionError([Problem(f"is not UTF-8 text (byte {error.start})", file=path.name)]) from None
        except OSError as error:
            raise DefinitionError([Problem(f"cannot be read: {error.strerror}", file=path.name)]) from None
    return files


def file_name(directory: Path, given: str) -> str:
    """Of a file of definitions that entries can be added to. given: its name, or a path to it.

    Raises SettingsError for what the loader would not read, or not read as definitions."""
    path = Path(given)
    is_inside = path.parent == Path() or path.resolve().parent == directory.resolve()
    if not is_inside:
        raise SettingsError(
            f"--file {given}: lies outside of {directory}, the folder of the definitions; give a name in it"
        )
    if path.suffix not in SUFFIXES:
        raise SettingsError(f"--file {given}: definitions are read from *.yml files; give a name that ends so")
    if path.name == VALIDATION_FILE:
        raise SettingsError(
            f"--file {given}: that file holds what the project decides about validation; give another name"
        )
    return path.name


def appended(file: str, text: str, entries: Iterable[Mapping[str, Any]]) -> str:
    """The text of a file with these entries behind the ones that it has; comments stay. Strings of several lines become blocks.

    Raises DefinitionError for a text that is no list under `alerts:`."""
    document = read_round_trip(file, text) if text.strip() else CommentedMap(alerts=CommentedSeq())
    if not isinstance(document, CommentedMap) or not isinstance(document.get("alerts"), CommentedSeq):
        raise DefinitionError([Problem("is no list under `alerts:`, so nothing can be added to it", file=file)])
    document["alerts"].extend(CommentedMap({name: _block(value) for name, value in entry.items()}) for entry in entries)
    return _dumped(document)


@contextmanager
def replacement(path: Path, text: str) -> Iterator[Callable[[], None]]:
    """The new text lies beside the file, safe on the disk; the function that is yielded puts it in place, whole or not at all.

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
    """Several lines as a block; what a block, or YAML's plain style, would not hold letter for letter in quotes with escapes."""
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
