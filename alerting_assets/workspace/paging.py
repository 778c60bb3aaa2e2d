"""Lists that come in pages, read to their end."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from alerting_assets.errors import WorkspaceError
from alerting_assets.workspace.transport import Transport

PAGE_SIZE = 100


def every_item(transport: Transport, path: str, names: Sequence[str], *, address: str, what: str) -> Iterator[Any]:
    """The items of all pages, in the service's order. Raises WorkspaceErrors, also after it gave some items.

    names: the keys under which the service may list them.
    address, what: the workspace, and what it lists there, for messages."""
    seen: set[str] = set()
    query: dict[str, Any] = {"page_size": PAGE_SIZE}
    while True:
        page = transport.call("GET", path, path, query=query)
        yield from _items(page, names, f"GET {path} at {address}", what)
        token = page.get("next_page_token")
        if not token:
            return
        if token in seen:
            raise WorkspaceError(
                f"GET {path} at {address}: the same next_page_token came twice, so the list never ends"
            )
        seen.add(token)
        query = {"page_size": PAGE_SIZE, "page_token": token}


def _items(page: Mapping[str, Any], names: Sequence[str], request: str, what: str) -> list[Any]:
    for name in names:
        if isinstance(page.get(name), list):
            items: list[Any] = page[name]
            return items
    if not page.keys() - {"next_page_token"}:
        return []  # JSON of protobuf leaves out what is empty; whether an empty list may be believed is for the sync to say
    known = " nor ".join(f"`{name}`" for name in names)
    raise WorkspaceError(
        f"{request}: the answer has {'neither' if len(names) > 1 else 'no'} {known} (it has: {', '.join(page)}); "
        f"is this host a Databricks workspace with {what}?"
    )
