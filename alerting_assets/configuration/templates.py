"""The template library: the templates of the package and those of the user's own folder, by id."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import alerting_assets
from alerting_assets.alerts.query_text import Identifier, resolve_placeholders
from alerting_assets.alerts.templates import AlertTemplate, parse_template, render_fields
from alerting_assets.errors import DefinitionError, Problem, TemplateError, did_you_mean

LIBRARY = Path(alerting_assets.__file__).parent / "template_library"
FOLDER = "templates"
"""Below the folder of the definitions."""


class TemplateCatalog(Mapping[str, AlertTemplate]):
    """Read when a template is first asked for: most commands need few of them."""

    def __init__(self, own: Path | None = None) -> None:
        """own: a folder of the user's templates; it may be missing. Raises DefinitionError when it takes an id that is taken."""
        self._files = {path.stem.upper(): path for path in sorted(LIBRARY.glob("*.yml"))}
        self._own: dict[str, Path] = {}
        for path in sorted([*own.glob("*.yml"), *own.glob("*.yaml")]) if own else ():
            template_id = path.stem.upper()
            if template_id in self._files:
                raise DefinitionError(
                    [Problem(f"{template_id} is the id of a template of the package; choose another", file=str(path))]
                )
            self._own[template_id] = path

    def __getitem__(self, template_id: str) -> AlertTemplate:
        path = self._own.get(template_id) or self._files[template_id]
        if path.parent == LIBRARY:
            return _parse_shipped(path)
        try:
            return parse_template(f"{FOLDER}/{path.name}", path.read_text(encoding="utf-8"))
        except (UnicodeDecodeError, OSError) as error:
            raise DefinitionError([Problem(f"cannot be read: {error}", file=str(path))]) from None

    def __iter__(self) -> Iterator[str]:
        return iter(sorted({*self._files, *self._own}))

    def __len__(self) -> int:
        return len(self._files) + len(self._own)

    @property
    def own(self) -> tuple[str, ...]:
        """Ids of the user's own."""
        return tuple(self._own)

    def find(self, template_id: str) -> AlertTemplate:
        """Raises TemplateError with the nearest id."""
        if template_id not in self:
            raise TemplateError(template_id, None, f"there is no such template{did_you_mean(template_id, list(self))}")
        return self[template_id]


@cache
def _parse_shipped(path: Path) -> AlertTemplate:
    return parse_template(path.name, path.read_text(encoding="utf-8"))


def templates_of(definitions: Path) -> TemplateCatalog:
    return TemplateCatalog(definitions / FOLDER)


def list_templates(own: Path | None = None) -> list[AlertTemplate]:
    """All templates, ordered by id. own: a folder of your own templates."""
    return list(TemplateCatalog(own).values())


def get_template(template_id: str, own: Path | None = None) -> AlertTemplate:
    """Raises TemplateError for an unknown id."""
    return TemplateCatalog(own).find(template_id)


def render_template(
    template: AlertTemplate, params: Mapping[str, Any], catalog: str | None = None, gold_schema: str | None = None
) -> dict[str, Any]:
    """Fields of an alert, by the names of alert_configurations' columns; what is left to give is its id and owner.

    catalog, gold_schema: fill in these placeholders of the query; None leaves them to the compiler. Raises TemplateError."""
    fields = {
        **render_fields(template, params),
        "template_id": template.template_id,
        "template_params": encoded(params),
    }
    names = {"catalog": catalog, "gold_schema": gold_schema}
    known = {name: Identifier(value) for name, value in names.items() if value is not None}
    keep = frozenset(names.keys() - known.keys())
    fields["alert_query_template"] = resolve_placeholders(fields["alert_query_template"], known, keep)
    return fields


def encoded(params: Mapping[str, Any]) -> dict[str, str]:
    """Parameters as the column template_params holds them: JSON."""
    return {name: json.dumps(value, ensure_ascii=False) for name, value in params.items()}
