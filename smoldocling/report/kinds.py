"""What things are called and which colour they have: groups of kinds, statuses.

Knows: names and colours. Does not know: where they are shown. A new kind is a word in a row.
"""

from __future__ import annotations

from dataclasses import dataclass

from smoldocling.result import Status


@dataclass(frozen=True, slots=True)
class Group:
    """Kinds that share a colour and a line of the legend. The colour has 3:1 contrast with white paper."""

    name: str
    label: str
    colour: str
    kinds: frozenset[str]


def _group(name: str, label: str, colour: str, kinds: str) -> Group:
    return Group(name, label, colour, frozenset(kinds.split()))


# fmt: off
GROUPS = (
    _group("heading",  "Headings",               "#d6336c", "title section_header"),
    _group("text",     "Text",                   "#1c7ed6", "text paragraph inline reference handwritten_text"),
    _group("list",     "Lists",                  "#0c8599", "list_item ordered_list unordered_list references"),
    _group("table",    "Tables",                 "#2b8a3e", "otsl table document_index"),
    _group("picture",  "Pictures and charts",    "#e8590c", "picture chart smiles"),
    _group("caption",  "Captions",               "#b7791f", "caption"),
    _group("formula",  "Formulas",               "#7048e8", "formula"),
    _group("code",     "Code",                   "#9c36b5", "code"),
    _group("form",     "Forms",                  "#5c7f10", "key_value_region key value form checkbox_selected "
                                                            "checkbox_unselected"),
    _group("footnote", "Footnotes",              "#8d5b45", "footnote"),
    _group("edge",     "Headers and footers",   "#737a84", "page_header page_footer"),
)
OTHER = _group("other", "Other", "#495057", "")

STATUSES: dict[Status, tuple[str, str]] = {
    "ok":        ("read by model",  "good"),
    "textlayer": ("text layer",     "good"),
    "blank":     ("blank",          "calm"),
    "retried":   ("retried",        "odd"),
    "truncated": ("cut off",        "odd"),
    "repeated":  ("repeated itself", "odd"),
    "failed":    ("failed",         "bad"),
}
"""Status -> what to call it, and how alarming it is."""
# fmt: on

_NAMES = {
    "otsl": "Table",
    "ordered_list": "Numbered list",
    "unordered_list": "List",
    "document_index": "Table of contents",
    "key_value_region": "Form fields",
    "checkbox_selected": "Ticked box",
    "checkbox_unselected": "Empty box",
    "smiles": "Molecule",
}
_GROUP_OF = {kind: group for group in GROUPS for kind in group.kinds}


def group_of(kind: str) -> Group:
    """The group of a kind; one that nobody knows is in OTHER."""
    return _GROUP_OF.get(kind, OTHER)


def name_of(kind: str) -> str:
    """What a person calls an element of that kind: "Section header"."""
    return _NAMES.get(kind) or kind.replace("_", " ").capitalize() if kind in _GROUP_OF else "Element"
