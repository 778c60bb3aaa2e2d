"""The template library: the templates of the package and those of the user's own folder, by id."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

from alerting_assets.alerts.query_text import Identifier, resolve_placeholders
from alerting_assets.alerts.templates import AlertTemplate, parse_template, render_fields
from alerting_assets.configuration.files import TEMPLATES
from alerting_assets.errors import DefinitionError, Problem, TemplateError, did_you_mean

LIBRARY = Path(__file__).parents[1] / "template_library"


class TemplateCatalog(Mapping[str, AlertTemplate]):
    """All templates by id. Each is read when it is first asked for, because most commands need few of them."""

    def __init__(self, own: Path | None = None) -> None:
        """own: the folder of the user's own templates, which may be missing. Raises DefinitionError when one of them takes an id of
        the package's."""
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
            return parse_template(f"{TEMPLATES}/{path.name}", path.read_text(encoding="utf-8"))
        except (UnicodeDecodeError, OSError) as error:
            raise DefinitionError([Problem(f"cannot be read: {error}", file=str(path))]) from None

    def __iter__(self) -> Iterator[str]:
        return iter(sorted({*self._files, *self._own}))

    def __len__(self) -> int:
        return len(self._files) + len(self._own)

    @property
    def own(self) -> tuple[str, ...]:
        """The ids of the user's own templates."""
        return tuple(self._own)

    def find(self, template_id: str) -> AlertTemplate:
        """The template with this id. Raises TemplateError, which names the nearest id."""
        if template_id not in self:
            raise TemplateError(template_id, None, f"there is no such template{did_you_mean(template_id, list(self))}")
        return self[template_id]


@cache
def _parse_shipped(path: Path) -> AlertTemplate:
    return parse_template(path.name, path.read_text(encoding="utf-8"))


def templates_of(definitions: Path) -> TemplateCatalog:
    return TemplateCatalog(definitions / TEMPLATES)


def list_templates(own: Path | None = None) -> list[AlertTemplate]:
    """All templates, ordered by id. own: the folder of your own templates."""
    return list(TemplateCatalog(own).values())


def get_template(template_id: str, own: Path | None = None) -> AlertTemplate:
    """The template with this id. Raises TemplateError for an id that is unknown."""
    return TemplateCatalog(own).find(template_id)


def render_template(
    template: AlertTemplate, params: Mapping[str, Any], catalog: str | None = None, gold_schema: str | None = None
) -> dict[str, Any]:
    """The fields of an alert, by the names of the columns of alert_configurations. Its id and its owner are left to give.

    catalog, gold_schema: fill in these placeholders of the query; None leaves them to the compiler.

    Raises TemplateError."""
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
    """Parameters as the column template_params holds them: each value as JSON."""
    return {name: json.dumps(value, ensure_ascii=False) for name, value in params.items()}
