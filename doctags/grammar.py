"""Which element may stand in which: the law that parser, writer and decoder read.

Knows: kinds and nesting. Does not know: text, trees, how broken input is mended.
"""

from __future__ import annotations

MAX_DEPTH = 64
"""Places open at once. Real documents nest five deep; whoever walks a tree may recurse."""


def _names(text: str) -> frozenset[str]:
    return frozenset(text.split())


_SPANS = _names("text code formula checkbox_selected checkbox_unselected handwritten_text reference picture")
_FLOW = _SPANS | _names("paragraph inline ordered_list unordered_list otsl chart")
_BODY = _FLOW | _names("section_header footnote caption document_index key_value_region form group references")
_PROSE = _names("inline caption")
_ENTRY = _names("link inline checkbox_selected checkbox_unselected")
_FIGURE = _names("smiles otsl caption")
_ITEMS = _names("list_item ordered_list unordered_list")

# fmt: off
CHILDREN: dict[str, frozenset[str]] = {
    "page":                _BODY | {"title", "page_header", "page_footer"},
    "title":               _PROSE,
    "section_header":      _PROSE,
    "text":                _PROSE,
    "paragraph":           _PROSE,
    "reference":           _PROSE,
    "handwritten_text":    _PROSE,
    "footnote":            _PROSE,
    "caption":             _names("inline"),
    "page_header":         _PROSE,
    "page_footer":         _PROSE,
    "checkbox_selected":   _PROSE,
    "checkbox_unselected": _PROSE,
    "formula":             _PROSE,
    "code":                _names("caption"),
    "smiles":              frozenset(),
    "ordered_list":        _ITEMS,
    "unordered_list":      _ITEMS,
    "list_item":           _FLOW,
    "inline":              _SPANS,
    "otsl":                _names("caption"),
    "document_index":      _names("caption"),
    "picture":             _FIGURE,
    "chart":               _FIGURE,
    "key_value_region":    _names("key value text caption"),
    "key":                 _ENTRY,
    "value":               _ENTRY,
    "form":                _BODY,
    "group":               _BODY,
    "references":          _BODY,
    "cell":                _FLOW,
    "link":                frozenset(),
}
# fmt: on

HOMES = {"list_item": "unordered_list", "key": "key_value_region", "value": "key_value_region", "smiles": "picture"}
"""What is put around an element that may not stand where it stands."""
