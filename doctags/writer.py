"""Trees to canonical DocTags.

Knows: tags' spelling and where they may stand. Does not know: where the tree comes from; it need not be a parser's.
Laws: `parse(write(tree)) == tree` for every tree that the parser makes; the result obeys the grammar for every tree at
all; text stays text: what looks like a tag in it is guarded (lexer.guarded), and reading takes the guard away again.

What a tree from elsewhere holds in a place where DocTags has none for it comes right behind the element that held it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from doctags import table
from doctags.grammar import CHILDREN, HOMES, MAX_DEPTH
from doctags.lexer import guarded
from doctags.tokens import CLASSES, KINDS, LANGUAGES, LAYOUT, MAX_NUMBER_DIGITS, PLACES, DialectName, spell
from doctags.tree import GRID, Box, Cell, Document, Element, Page

_LANGUAGES = {name.lower(): name for name in LANGUAGES}


def write(tree: Document | Page | Element, *, dialect: DialectName = "granite", pretty: bool = True) -> str:
    """DocTags for a document, a page (as a document of its own) or an element (without <doctag>).

    pretty   one element a line, as docling writes it; False: no line breaks but the text's own
    dialect  "granite": all of DocTags. "smoldocling": tags that SmolDocling-256M-preview does not know are written as
             their content; such a text reads as another tree.
    """
    pen = _Pen(dialect, pretty)
    if isinstance(tree, Document):
        pen.document(tree.pages)
    elif isinstance(tree, Page):
        pen.document((tree,))
    else:
        pen.children("page", (tree,), 1)
    text = "".join(pen.parts)
    return text.removesuffix("\n") if isinstance(tree, Element) else text


class _Pen:
    """Writes what may stand where it is told to; hands back what may not, for the place around to take."""

    def __init__(self, dialect: DialectName, pretty: bool) -> None:
        self.parts: list[str] = []
        self._dialect = dialect
        self._line = "\n" if pretty else ""

    def document(self, pages: Sequence[Page]) -> None:
        self.parts.append("<doctag>")
        for number, page in enumerate(pages):
            if number:
                self.parts.append(f"<page_break>{self._line}")
            self.children("page", page.elements, 1)
        self.parts.append("</doctag>")

    def children(self, host: str, elements: Iterable[Element], depth: int, text: str = "") -> list[Element]:
        """Write the elements into a place that is open at that depth and has that text of its own."""
        mode = KINDS[host].text
        line = self._line if KINDS[host].lines else ""
        waiting = [*elements][::-1]
        spilt: list[Element] = []
        first, spoken = True, bool(text)  # spoken: text without tags is the last thing written
        while waiting:
            element = _known(waiting.pop())
            if self._dialect == "smoldocling" and not KINDS[element.kind].smoldocling:
                waiting += _plainer(element)[::-1]
            elif _plain(element) and not spoken and _takes_bare(host, mode, first):
                self._say(element.text, host)
                first, spoken = False, True
            elif element.kind in CHILDREN[host] and depth < MAX_DEPTH:
                waiting += self._element(element, depth + 1)[::-1]
                self.parts.append(line)
                first, spoken = False, False
            elif HOMES.get(element.kind, "") in CHILDREN[host] and depth < MAX_DEPTH - 1:
                waiting.append(_housed(element, waiting))
            elif element.kind == "link":
                waiting += _inside(element)[::-1]
            else:
                spilt.append(element)
        return spilt

    def _element(self, element: Element, depth: int) -> list[Element]:
        kind = element.kind
        rule = KINDS[kind]
        name = spell(kind, _number(element))
        if kind == "link":
            self.parts.append(f"<{name}>")
            return _inside(element)
        self.parts.append(f"<{name}>")
        self.parts += map(_box, element.boxes)
        if element.label is not None and rule.label:
            self.parts.append(_label(rule.label, element.label))
        text = element.text if rule.text == "own" else ""
        self._say(text, kind)
        spilt = self._cells(element.cells, depth) if rule.cells else []
        spilt += self.children(kind, _inside(element), depth, text)
        self.parts.append(f"</{name}>")
        return spilt

    def _cells(self, cells: Sequence[Cell], depth: int) -> list[Element]:
        spilt: list[Element] = []
        for row in table.rows(cells):
            for slot in row:
                self.parts.append(f"<{slot.token}>{_box(slot.box) if slot.box else ''}")
                self._say(slot.text, "cell")
                spilt += self.children("cell", slot.children, depth + 1, slot.text)
            self.parts.append("<nl>")
        return spilt

    def _say(self, text: str, host: str) -> None:
        self.parts.append(guarded(text, KINDS[host].label))


def _takes_bare(host: str, mode: str, first: bool) -> bool:
    """Text without tags can stand in such a place and be read as a child (or, where no child of that kind may stand, as
    the place's own text)."""
    return mode == "own" and (not first or "text" not in CHILDREN[host])


def _plain(element: Element) -> bool:
    return (
        element.kind == "text"
        and bool(element.text.strip(LAYOUT))
        and not (element.boxes or element.children or element.cells)
    )


def _known(element: Element) -> Element:
    """The same content under a kind that DocTags has."""
    if element.kind in CHILDREN and element.kind not in PLACES:
        return element
    kind = "otsl" if element.cells else "group" if element.children else "text"
    return Element(kind, element.text, element.boxes, None, None, None, element.cells, element.children)


def _plainer(element: Element) -> list[Element]:
    """The same content without the element's own tag."""
    if element.kind == "inline":
        return [Element("text", " ".join(_texts(element)), element.boxes)]
    own = [Element("text", element.text, element.boxes)] if KINDS[element.kind].text == "own" else []
    return [*own, *_inside(element)]


def _texts(element: Element) -> Iterable[str]:
    """All that the element says, in order."""
    if element.text:
        yield element.text
    for cell in element.cells:
        yield from _texts(Element("cell", cell.text, children=cell.children))
    for child in element.children:
        yield from _texts(child)


def _inside(element: Element) -> list[Element]:
    """Its children, and before them what an element of its kind cannot have itself: text, cells."""
    rule = KINDS[element.kind]
    inner: list[Element] = []
    if element.text and rule.text != "own":
        inner.append(Element(rule.text, element.text))
    if element.cells and not rule.cells:
        inner.append(Element("otsl", cells=element.cells))
    return [*inner, *element.children]


def _number(element: Element) -> int:
    """What its tag carries: a level from 1 to 6, or the number of a key, value or link."""
    if element.kind == "section_header":
        return min(max(element.level or 1, 1), 6)
    return min(abs(element.ref or 0), int("9" * MAX_NUMBER_DIGITS))


def _housed(element: Element, waiting: list[Element]) -> Element:
    """The element and those of its sort that follow it, in the element that they belong into."""
    home = HOMES[element.kind]
    inner = [element]
    while waiting and HOMES.get(waiting[-1].kind) == home:
        inner.append(waiting.pop())
    return Element(home, children=tuple(inner))


def _label(mode: str, label: str) -> str:
    if mode == "language":
        return f"<_{_LANGUAGES.get(label.lower(), 'unknown')}_>"
    return f"<{label if label in CLASSES else 'other'}>"


def _box(box: Box) -> str:
    left, right = sorted((box.x0, box.x1))
    top, bottom = sorted((box.y0, box.y1))
    return "".join(f"<loc_{min(max(round(number), 0), GRID)}>" for number in (left, top, right, bottom))
