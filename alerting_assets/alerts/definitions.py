"""Alert definitions in YAML: text in, configurations or problems with file, line and field out."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap, CommentedSeq
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.scalarbool import ScalarBoolean
from ruamel.yaml.scalarfloat import ScalarFloat
from ruamel.yaml.scalarint import ScalarInt
from ruamel.yaml.scalarstring import ScalarString

from alerting_assets.alerts.configuration import AlertConfiguration, parse_configuration
from alerting_assets.errors import DefinitionError, Problem

_MANAGED = "is set by the loader; remove it"


def parse_definitions(files: Mapping[str, str]) -> list[AlertConfiguration]:
    """files: name → text. Returns the alerts ordered by alert_id, `managed_by` set to `yaml:<file>`.

    Raises DefinitionError with every problem of every file; then none of them is to be used."""
    alerts: list[AlertConfiguration] = []
    places: dict[str, str] = {}
    problems: list[Problem] = []
    for file in sorted(files):
        try:
            entries = list(_entries(file, files[file]))
        except DefinitionError as error:
            problems += error.problems
            continue
        for entry in entries:
            try:
                alert = _parse(entry, file)
            except DefinitionError as error:
                problems += error.problems
                continue
            place = f"{file}:{_line(entry)}"
            if alert.alert_id in places:
                problems.append(
                    Problem(
                        f"is already used at {places[alert.alert_id]}",
                        "alert_id",
                        alert.alert_id,
                        file,
                        _line(entry, "alert_id"),
                    )
                )
                continue
            places[alert.alert_id] = place
            alerts.append(alert)
    if problems:
        raise DefinitionError(problems)
    return sorted(alerts, key=lambda alert: alert.alert_id)


def _entries(file: str, text: str) -> Iterator[CommentedMap]:
    try:
        document = YAML(typ="rt", pure=True).load(text)
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        raise DefinitionError(
            [Problem(f"YAML: {error.problem or error.context}", file=file, line=mark.line + 1 if mark else 1)]
        ) from None
    except YAMLError as error:
        raise DefinitionError([Problem(f"YAML: {str(error).splitlines()[0]}", file=file, line=1)]) from None
    if document is None:
        raise DefinitionError(
            [Problem("holds no alert; write a list under `alerts:`, or delete the file", file=file, line=1)]
        )
    if isinstance(document, CommentedMap) and "alerts" in document:
        unknown = [str(key) for key in document if key != "alerts"]
        if unknown:
            raise DefinitionError(
                [
                    Problem(f"{key!r} is not known beside `alerts`", file=file, line=_line(document, key))
                    for key in unknown
                ]
            )
        document = document["alerts"]
    elif isinstance(document, CommentedMap):
        document = [document]
    if not isinstance(document, list) or not document:
        raise DefinitionError([Problem("expected a list of alerts under `alerts:`", file=file, line=1)])
    for index, entry in enumerate(document):
        if not isinstance(entry, CommentedMap):
            line = document.lc.item(index)[0] + 1 if isinstance(document, CommentedSeq) else 1
            raise DefinitionError([Problem("an alert is a mapping of fields to values", file=file, line=line)])
        yield entry


def _parse(entry: CommentedMap, file: str) -> AlertConfiguration:
    values: dict[str, Any] = _plain(entry)
    problems = []
    if "managed_by" in values:
        problems.append(Problem(_MANAGED, "managed_by", values.get("alert_id"), file, _line(entry, "managed_by")))
    parameters = values.get("template_params")
    if isinstance(parameters, dict):
        values["template_params"] = {str(name): json.dumps(value) for name, value in parameters.items()}
    try:
        alert = parse_configuration(
            {**values, "managed_by": f"yaml:{file}"},
            file=file,
            line_of=lambda field: _line(entry, field) if field in entry else None,
        )
    except DefinitionError as error:
        place = _line(entry)
        problems += [
            problem if problem.line else Problem(problem.message, problem.field, problem.alert_id, file, place)
            for problem in error.problems
        ]
    if problems:
        raise DefinitionError(problems)
    return alert


def _line(entry: CommentedMap, field: str | None = None) -> int:
    """Of a field's value's first line, or of the entry itself; counted from 1."""
    if field is not None and field in entry:
        return int(entry.lc.key(field)[0]) + 1
    return int(entry.lc.line) + 1


def _plain(value: Any) -> Any:
    """ruamel's decorated values as plain ones; keys as they are written."""
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [_plain(item) for item in value]
    for decorated, plain in ((ScalarString, str), (ScalarBoolean, bool), (ScalarFloat, float), (ScalarInt, int)):
        if isinstance(value, decorated):
            return plain(value)
    return value
