"""What an element says as part of a paragraph: its characters, links, inline code and formulas.

Knows: doctags.tree. Does not know: which elements are paragraphs (outline), formats.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from urllib.parse import urlsplit

from converters.blocks import Run, Runs
from converters.characters import clean, clean_line
from doctags.tree import Element

LINK_SCHEMES = frozenset({"http", "https", "mailto"})
# Readers of HTML give up at 255 nested elements, Python at 1000 frames; no page is a tenth as deep.
MAX_DEPTH = 20

_INLINE = frozenset({"inline", "text", "code", "formula"})
# Closing punctuation needs no space before it, opening punctuation none after it, and a space no other.
_CLOSING, _OPENING = frozenset(" \n,.;:!?)]}»”’%"), frozenset(" \n([{«“‘")


def descendants(elements: Sequence[Element]) -> Iterator[Element]:
    """The elements and all that is in them, each before its cells, those before its children."""
    waiting = list(reversed(elements))
    while waiting:
        element = waiting.pop()
        yield element
        inner = [child for cell in element.cells for child in cell.children]
        waiting.extend(reversed([*inner, *element.children]))


def safe_href(uri: str) -> str | None:
    """The address if it is one that a reader may be sent to, else None."""
    address = clean_line(uri).replace(" ", "%20")
    try:
        parts = urlsplit(address)
    except ValueError:
        return None
    if parts.scheme not in LINK_SCHEMES or not (parts.netloc or (parts.scheme == "mailto" and parts.path)):
        return None
    return address


def tidy(runs: Iterable[Run]) -> Runs:
    """Runs of one paragraph: clean, joined where they are alike, without space at the edges or twice in a row."""
    tidied: list[Run] = []
    for run in runs:
        text = clean(run.text) if run.kind == "text" else run.text
        if run.kind == "text" and (not tidied or tidied[-1].text[-1] in " \n"):
            text = text.lstrip(" \n")
        if not text:
            continue
        if tidied and run.kind == "text" == tidied[-1].kind and run.href == tidied[-1].href:
            tidied[-1] = replace(run, text=tidied[-1].text + text)
        else:
            tidied.append(replace(run, text=text))
    while tidied and tidied[-1].kind == "text" and not (text := tidied[-1].text.rstrip(" \n")):
        tidied.pop()
    if tidied and tidied[-1].kind == "text":
        tidied[-1] = replace(tidied[-1], text=tidied[-1].text.rstrip(" \n"))
    return tuple(tidied)


def one_line(runs: Runs) -> Runs:
    """The runs without line ends, for places that are one line."""
    return tuple(replace(run, text=run.text.replace("\n", " ")) for run in runs)


def glued(left: list[Run], right: list[Run]) -> list[Run]:
    """Two neighbours of an inline group, with the space that the tags between them swallowed."""
    if not left or not right:
        return left + right
    before = left[-1].text[-1:] if left[-1].kind == "text" else ""
    after = right[0].text[:1] if right[0].kind == "text" else ""
    if before in _OPENING or after in _CLOSING:
        return left + right
    return [*left, Run(" "), *right]


def inline_runs(element: Element, depth: int = 0) -> list[Run]:
    """What an element adds to the paragraph it stands in, its inline children included."""
    if element.kind == "formula":
        latex = clean_line(element.text)
        return [Run(latex, "formula")] if latex else []
    if element.kind == "code":
        code = clean_line(element.text)
        return [Run(code, "code", label=element.label)] if code else []
    runs = list(own_runs(element))
    if depth > MAX_DEPTH:
        return glued(runs, list(flat_runs(element.children)))
    for child in element.children:
        runs = glued(runs, inline_runs(child, depth + 1))
    return runs


def own_runs(element: Element) -> Iterator[Run]:
    """The element's own characters, cut where links begin and end."""
    text, done = element.text, 0
    for link in sorted(element.links, key=lambda link: (link.start, link.end)):
        start, end = max(link.start, done), min(link.end, len(text))
        href = safe_href(link.uri)
        if href is None or start >= end or not text[start:end].strip():
            continue
        yield Run(text[done:start])
        yield Run(text[start:end], href=href)
        done = end
    yield Run(text[done:])


def flat_runs(elements: Sequence[Element]) -> Iterator[Run]:
    """All that elements say, at any depth, as one paragraph."""
    for element in descendants(elements):
        if element.kind in {"formula", "code"}:
            yield from inline_runs(replace(element, children=()))
        else:
            yield from own_runs(element)
        yield from (Run(f" {cell.text}") for cell in element.cells)
        yield Run(" ")


def is_inline(element: Element) -> bool:
    """Whether an element runs on in its parent's paragraph. A place of its own or a line break makes it a block."""
    return all(_runs_on(part) for part in descendants([element]))


def _runs_on(element: Element) -> bool:
    if element.kind not in _INLINE or element.cells or (element.boxes and element.kind != "inline"):
        return False
    return element.kind not in {"code", "formula"} or not (element.children or "\n" in element.text.strip())
