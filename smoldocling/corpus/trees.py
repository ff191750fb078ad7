"""Pages as JSON and back, whole: with links, sizes and pictures, which DocTags cannot spell.

Knows: the records of doctags.tree and PageResult. Does not know: files, formats.
Law: `load(save(page))` renders as `page` does.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping
from dataclasses import asdict
from typing import Any

from doctags.tree import Box, Cell, Element, Link, Page
from smoldocling.result import Crop, PageResult


def save(page: PageResult) -> dict[str, Any]:
    """What rendering needs of a page."""
    crops = {
        str(place): {**asdict(crop), "data": base64.b64encode(crop.data).decode()}
        for place, crop in page.pictures.items()
    }
    return {"tree": _plain(page.tree), "pictures": crops}


def load(saved: Mapping[str, Any], name: str, row: Mapping[str, Any]) -> PageResult:
    """The page again; `row` has its number, status and engine."""
    crops = {
        int(place): Crop(**{**crop, "data": base64.b64decode(crop["data"])})
        for place, crop in saved["pictures"].items()
    }
    return PageResult(name, row["page"], row["status"], _page(saved["tree"]), engine=row["engine"], pictures=crops)


def _plain(record: Any) -> Any:
    """A record as what differs from an empty one: most fields of most elements are empty."""
    if isinstance(record, tuple):
        return [_plain(item) for item in record]
    if isinstance(record, str):
        # PDFs bring halves of characters, and every file is written so
        return record.encode("utf-8", "replace").decode("utf-8")
    if not hasattr(record, "__dataclass_fields__"):
        return record
    values = ((field, getattr(record, field)) for field in record.__dataclass_fields__ if field != "span")
    return {field: _plain(value) for field, value in values if value not in (None, "", ())}


def _page(plain: dict[str, Any]) -> Page:
    size = plain.get("size")
    return Page(**{**plain, **_many(plain, elements=_element), **({"size": tuple(size)} if size else {})})


def _element(plain: dict[str, Any]) -> Element:
    return Element(**{"kind": "", **plain, **_many(plain, boxes=_box, cells=_cell, children=_element, links=_link)})


def _cell(plain: dict[str, Any]) -> Cell:
    box = {"box": _box(plain["box"])} if "box" in plain else {}
    return Cell(**{**plain, **_many(plain, children=_element), **box})


def _box(plain: dict[str, Any]) -> Box:
    return Box(**plain)


def _link(plain: dict[str, Any]) -> Link:
    return Link(**{"uri": "", **plain})


def _many(plain: dict[str, Any], **kinds: Callable[[dict[str, Any]], object]) -> dict[str, tuple[object, ...]]:
    return {name: tuple(make(item) for item in plain[name]) for name, make in kinds.items() if name in plain}
