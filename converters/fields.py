"""Which values of a key-value region belong to which key.

Knows: keys, values and the links between them. Does not know: formats.
"""

from __future__ import annotations

from collections.abc import Callable

from converters.blocks import Field, Fields, Part, Runs
from doctags.tree import Element

PARTS = frozenset({"key", "value"})


def _links(parts: list[Element]) -> list[tuple[int, int]]:
    """The links between parts as pairs of positions, key first where one end is a key; each link once."""
    place = {part.ref: index for index, part in reversed(list(enumerate(parts)))}
    found: dict[tuple[int, int], None] = {}
    for index, part in enumerate(parts):
        for link in part.children:
            other = place.get(link.ref) if link.kind == "link" else None
            if other is None or other == index:
                continue
            backwards = parts[other].kind == "key" and part.kind == "value"
            found[(other, index) if backwards else (index, other)] = None
    return list(found)


def fields_of(region: Element, read: Callable[[Element], Runs]) -> Fields:
    """Keys with the values that their links reach, in the order of the page; every part appears exactly once."""
    parts = [child for child in region.children if child.kind in PARTS]
    texts = [read(part) for part in parts]
    links = _links(parts)
    reach = {
        index: [other for start, other in links if start == index and parts[other].kind == "value"]
        for index in range(len(parts))
    }
    used: set[int] = set()
    fields: dict[int, Field] = {}
    keys = [index for index, part in enumerate(parts) if part.kind == "key"]
    targets = {other for others in reach.values() for other in others}
    heads = [index for index in reach if index not in targets]
    for index in [*keys, *heads, *range(len(parts))]:
        if index in used:
            continue
        chain = _chain(index, reach, used)
        is_key = parts[index].kind == "key"
        values = tuple(texts[place] for place in (chain[1:] if is_key else chain) if texts[place])
        key = texts[index] if is_key else ()
        if key or values:
            fields[index] = Field(key, values, tuple(place for place in chain if texts[place]))
    return Fields(
        tuple(fields[index] for index in sorted(fields)),
        tuple(Part(part, runs) for part, runs in zip(parts, texts, strict=True)),
        tuple(links),
    )


def _chain(start: int, reach: dict[int, list[int]], used: set[int]) -> list[int]:
    """`start` and everything it reaches that nobody has claimed, depth first."""
    chain: list[int] = []
    waiting = [start]
    while waiting:
        index = waiting.pop()
        if index in used:
            continue
        used.add(index)
        chain.append(index)
        waiting.extend(reversed(reach[index]))
    return chain
