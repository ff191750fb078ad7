"""DocTags that somebody has already, with the pictures of their pages where there are any, as a Result.

Knows: DocTags text, page images. Does not know: models.
"""

from __future__ import annotations

import bisect
from dataclasses import replace
from pathlib import Path, PurePath

import doctags
from smoldocling import crops
from smoldocling.pages.documents import Document
from smoldocling.pages.sources import Source
from smoldocling.result import PageResult, Result


def revive(name: str, text: str, image: Path | None) -> Result:
    """Parse `text`. The pages of `image`, a PDF or an image file, belong to those of the text, one by one.

    Raises UnusableInput for an image that cannot be opened, UnreadablePage for one with fewer pages.
    """
    tree = doctags.parse(text)
    place = PurePath("stdin" if name == "-" else Path(name).stem)
    problems = _by_page(tree, doctags.validate(text))
    pages = [
        PageResult(name, page.number, "ok", page, engine="none", problems=tuple(found), raw=text)
        for page, found in zip(tree.pages, problems, strict=True)
    ]
    if image is None:
        return Result(name, place, tuple(pages))
    with Document(Source(str(image), PurePath(image.stem), image)) as document:
        return Result(name, place, tuple(_pictured(page, document) for page in pages))


def _by_page(tree: doctags.Document, problems: tuple[doctags.Problem, ...]) -> list[list[doctags.Problem]]:
    """A problem belongs to the last page that has begun where it stands."""
    starts = [page.elements[0].span for page in tree.pages[1:] if page.elements]
    begun = [span[0] if span else 0 for span in starts]
    numbers = [0, *(index for index, page in enumerate(tree.pages[1:], start=1) if page.elements)]
    found: list[list[doctags.Problem]] = [[] for _ in tree.pages]
    for problem in problems:
        found[numbers[bisect.bisect_right(begun, problem.start)]].append(problem)
    return found


def _pictured(page: PageResult, document: Document) -> PageResult:
    source = document.page(page.number)
    tree = replace(page.tree, size=source.size)
    pictures, problems = crops.cut(tree, source)
    return replace(page, tree=tree, pictures=pictures, problems=page.problems + problems, image=crops.whole(source))
