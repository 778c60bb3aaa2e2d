"""What a request to execute a statement asks for; everything that Databricks refuses before a statement exists is refused here."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from alerting_assets.workspace.local.api_error import invalid
from alerting_assets.workspace.local.rules import Rules
from alerting_assets.workspace.local.sql_text import Parameter

FIELDS = frozenset(
    {
        *("statement", "warehouse_id", "catalog", "schema", "parameters", "row_limit", "byte_limit"),
        *("wait_timeout", "on_wait_timeout", "disposition", "format"),
    }
)
MOST_PARAMETERS = 255


@dataclass(frozen=True)
class StatementRequest:
    """A checked request.

    external: whether the result goes behind links, as Arrow, rather than into the answer.
    wait: how many seconds the first answer may be held back.
    cancels: whether a statement that has not ended by then is canceled."""

    text: str
    warehouse_id: str
    catalog: str | None
    schema: str | None
    parameters: tuple[Parameter, ...]
    row_limit: int | None
    byte_limit: int | None
    external: bool
    wait: int
    cancels: bool

    @classmethod
    def read(cls, body: Any, rules: Rules) -> StatementRequest:
        """Read the body of a request. Raises ApiError."""
        if not isinstance(body, dict) or not isinstance(body.get("statement"), str) or not body["statement"].strip():
            raise invalid("Missing required field: statement")
        if unknown := set(body) - FIELDS:
            raise invalid(f"{', '.join(sorted(unknown))}: unknown, or not supported by the local workspace")
        if body.get("warehouse_id") not in rules.warehouse_ids:
            raise invalid(f"warehouse_id: the SQL warehouse {body.get('warehouse_id')!r} does not exist")
        wait = _wait_seconds(body.get("wait_timeout", "10s"))
        on_timeout = body.get("on_wait_timeout", "CONTINUE")
        if on_timeout not in ("CONTINUE", "CANCEL"):
            raise invalid(f"on_wait_timeout: expected CONTINUE or CANCEL, got {on_timeout!r}")
        request = cls(
            text=body["statement"],
            warehouse_id=body["warehouse_id"],
            catalog=_name(body, "catalog"),
            schema=_name(body, "schema"),
            parameters=_parameters(body.get("parameters", [])),
            row_limit=_limit(body, "row_limit"),
            byte_limit=_limit(body, "byte_limit"),
            external=_is_external(body.get("disposition", "INLINE"), body.get("format", "JSON_ARRAY")),
            wait=wait,
            cancels=on_timeout == "CANCEL" and wait > 0,  # documented: 0s ignores it
        )
        if (size := request.size) > rules.statement_bytes:
            raise invalid(f"The statement has {size} bytes; the maximum is {rules.statement_bytes}.")
        return request

    @property
    def size(self) -> int:
        """The bytes of the text and of all values together. Raises ApiError for text that is no Unicode."""
        try:
            return sum(len(text.encode()) for text in (self.text, *(item.value or "" for item in self.parameters)))
        except UnicodeEncodeError:
            raise invalid(
                "The statement or a parameter holds half of a surrogate pair, which is no character"
            ) from None


def _is_external(disposition: Any, format: Any) -> bool:
    match disposition, format:
        case "INLINE", "JSON_ARRAY":
            return False
        case "EXTERNAL_LINKS", "ARROW_STREAM":
            return True
        case "INLINE", "ARROW_STREAM" | "CSV":
            raise invalid("The format field must be JSON_ARRAY when the disposition field is INLINE.")
        case _:
            raise invalid(
                f"disposition {disposition} with format {format}: the local workspace answers INLINE with JSON_ARRAY "
                "or EXTERNAL_LINKS with ARROW_STREAM"
            )


def _wait_seconds(value: Any) -> int:
    found = re.fullmatch(r"(\d{1,3})s", value, re.ASCII) if isinstance(value, str) else None
    seconds = int(found[1]) if found else -1
    if seconds != 0 and not 5 <= seconds <= 50:
        raise invalid(f"wait_timeout: expected 0s, or 5s to 50s, got {value!r}")
    return seconds


def _limit(body: dict[str, Any], name: str) -> int | None:
    value = body.get(name)
    if value is not None and (isinstance(value, bool) or not isinstance(value, int) or value < 1):
        raise invalid(f"{name}: expected a whole number from 1, got {value!r}")
    return value


def _name(body: dict[str, Any], name: str) -> str | None:
    value = body.get(name)
    if not (value is None or isinstance(value, str)):
        raise invalid(f"{name}: expected a string, got {value!r}")
    return value or None


def _parameters(value: Any) -> tuple[Parameter, ...]:
    if not isinstance(value, list):
        raise invalid("parameters: expected a list")
    if len(value) > MOST_PARAMETERS:
        raise invalid(f"parameters: at most {MOST_PARAMETERS} are allowed, got {len(value)}")
    return tuple(_parameter(item) for item in value)


def _parameter(item: Any) -> Parameter:
    if not isinstance(item, dict) or not isinstance(item.get("name"), str):
        raise invalid("parameters: each needs a name")
    kind, text = item.get("type") or "STRING", item.get("value")
    if not isinstance(kind, str) or not (text is None or isinstance(text, str)):
        raise invalid(f"parameters: type and value of {item['name']} must be strings")
    return Parameter(item["name"], kind, text)
