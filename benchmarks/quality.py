"""How well born-digital pages are read: our reader without a model, pymupdf4llm and markitdown, on the same files.

    python benchmarks/quality.py --pages ../shared/data/docling --pages ../shared/data/readoc --pages samples \\
        --tables ../shared/data/tables --cache /tmp/quality --markdown quality.md

Folders of `--pages` hold PDFs with their truth beside them (DocTags where there are some, which have merged cells, else
Markdown), `--tables` the ICDAR 2013 competition's
layout of files. Every reader's Markdown is scored by `smoldocling eval`, as whole documents, the same way; ours also as
DocTags, page by page, for what only those say. What the peers say is kept in the folder of `--cache`, under their
versions, and asked for once; ours is read anew. Tables for people, and with `--markdown` for the README; with `--json`
every number.
"""

from __future__ import annotations

import argparse
import hashlib
import html
import json
import os
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from importlib.metadata import version
from math import isnan
from pathlib import Path
from xml.etree import ElementTree

import pymupdf

# a script beside this one is called doctags and must not be found in the package's place
sys.path[0] = str(Path(__file__).resolve().parent.parent)

import doctags  # noqa: E402 - only now can they be found
from benchmarks import readers  # noqa: E402
from benchmarks.similarity import similarity  # noqa: E402
from doctags.tree import Cell, Document  # noqa: E402
from smoldocling.errors import SmolDoclingError  # noqa: E402
from smoldocling.evaluate import differences, totals  # noqa: E402
from smoldocling.evaluate.content import Block, Content, Sheet, table  # noqa: E402
from smoldocling.evaluate.export import record  # noqa: E402
from smoldocling.evaluate.measure import DocumentScore, PageScore, Tally, document_score  # noqa: E402
from smoldocling.evaluate.reading import doctags_content, read  # noqa: E402
from smoldocling.evaluate.session import Evaluation  # noqa: E402
from smoldocling.evaluate.show import metric  # noqa: E402
from smoldocling.pages.textlayer import Reader  # noqa: E402

OURS = "smoldocling"
PEER = "pymupdf4llm"
LETTERS = "letters"
# Scores of tables alone, and scores that only DocTags have.
OF_TABLES = ("teds", "teds_s", "cells")
OF_DOCTAGS = ("map", "valid")
Scores = dict[str, list[DocumentScore]]


def main() -> None:
    """Measures, prints tables, writes what was asked for."""
    arguments = _arguments()
    pymupdf.set_messages(path=os.devnull)  # pymupdf4llm tells at every call that it found no OCR engine
    readers = _readers(arguments.cache)
    sections: list[tuple[str, Scores]] = []
    whole: Scores = {name: [] for name in readers}
    pages: list[DocumentScore] = []
    for folder in arguments.pages:
        scores = {name: [*_documents(folder, read_by)] for name, read_by in readers.items()}
        sections.append((str(folder), scores))
        pages += _paged(folder)
        for name, found in scores.items():
            whole[name] += found
    if len(sections) > 1:
        sections.append((f"all {len(whole[OURS])} documents", whole))
    if arguments.tables:
        sections.append(
            (str(arguments.tables), {name: [*_tables(arguments.tables, by)] for name, by in readers.items()})
        )
    text = "\n\n".join(_markdown(title, scores) for title, scores in sections)
    if pages:
        text += "\n\n" + _own(pages)
    print(text)
    if arguments.markdown:
        arguments.markdown.write_text(text + "\n", "utf-8")
    if arguments.json:
        data = {title: {name: record(Evaluation(tuple(d), ())) for name, d in s.items()} for title, s in sections}
        arguments.json.write_text(json.dumps(data, indent=1), "utf-8")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--pages", type=Path, action="append", default=[], help="PDFs with their true .md or .dt")
    parser.add_argument("--tables", type=Path, help="PDFs with -str.xml beside them (ICDAR 2013)")
    parser.add_argument("--cache", type=Path, required=True, help="where the peers' Markdown is kept")
    parser.add_argument("--markdown", type=Path, metavar="FILE", help="write the tables there too")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write every score there")
    return parser.parse_args()


def _readers(cache: Path) -> dict[str, Callable[[Path], str]]:
    """Who reads, by name. pymupdf4llm a second time, told to leave out page headers and footers as the truth does."""
    bare = partial(readers.pymupdf4llm, furniture=False)
    return {
        OURS: _ours,
        PEER: _kept(cache, f"{PEER}-{version(PEER)}", readers.pymupdf4llm),
        f"{PEER}, no furniture": _kept(cache, f"{PEER}-bare-{version(PEER)}", bare),
        "markitdown": _kept(cache, f"markitdown-{version('markitdown')}", readers.markitdown),
    }


def _ours(path: Path) -> str:
    """Our Markdown; a document that cannot be read has none, and counts as all wrong."""
    try:
        return readers.ours(path)
    except SmolDoclingError as error:
        print(f"{path}: {error}", file=sys.stderr)
        return ""


def _kept(folder: Path, name: str, read_by: Callable[[Path], str]) -> Callable[[Path], str]:
    """The same reader, which reads each file once in its life."""

    def kept(path: Path) -> str:
        key = hashlib.sha256(path.read_bytes()).hexdigest()[:16]
        file = folder / name / f"{path.stem}-{key}.md"
        if not file.exists():
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(read_by(path), "utf-8")
        return file.read_text("utf-8")

    return kept


def _documents(folder: Path, read_by: Callable[[Path], str]) -> Iterator[DocumentScore]:
    """A folder's documents by one reader, as whole Markdown documents."""
    for path, true in _truths(folder):
        said = read_by(path)
        score = document_score(path.stem, _content(said), true, "unreadable", paged=False)
        letters = similarity(said, _plain(path))
        extra = {LETTERS: Tally(letters, 1)}
        yield DocumentScore(path.stem, tuple(_with(page, extra) for page in score.pages), score.tallies)


def _with(page: PageScore, more: dict[str, Tally]) -> PageScore:
    return PageScore(page.number, page.status, {**page.tallies, **more}, page.layout)


def _plain(path: Path) -> str:
    """The true Markdown as it stands."""
    if path.with_suffix(".md").exists():
        return path.with_suffix(".md").read_text("utf-8")
    from converters import to_markdown

    return to_markdown(doctags.parse(path.with_suffix(".dt").read_text("utf-8")))


def _content(markdown: str) -> Content:
    from smoldocling.evaluate.markup import markdown_blocks

    return Content((Sheet(0, markdown_blocks(markdown)),))


def _truths(folder: Path) -> Iterator[tuple[Path, Content]]:
    for path in sorted(folder.glob("*.pdf")):
        for suffix in (".dt", ".md"):
            if path.with_suffix(suffix).exists():
                yield path, read(path.with_suffix(suffix))
                break


def _paged(folder: Path) -> list[DocumentScore]:
    """Our DocTags against true ones, where there are any: boxes, and whether they are valid."""
    found = []
    for path in sorted(folder.glob("*.pdf")):
        if path.with_suffix(".dt").exists():
            with pymupdf.open(path) as document:
                reader = Reader(document)
                tree = Document(tuple(reader.read(index).page for index in range(document.page_count)))
            true = read(path.with_suffix(".dt"))
            found.append(document_score(path.stem, doctags_content(doctags.write(tree)), true, "unreadable"))
    return found


def _tables(folder: Path, read_by: Callable[[Path], str]) -> Iterator[DocumentScore]:
    """Tables alone: what a reader's Markdown has of them against the competition's cells."""
    for path in sorted(folder.glob("*.pdf")):
        structure = path.with_name(path.stem + "-str.xml")
        if structure.exists():
            said = (block for block in _content(read_by(path)).blocks if block.kind == "table")
            score = document_score(path.stem, _of(said), _of(_true_tables(structure)), "unreadable", paged=False)
            kept = [
                PageScore(p.number, p.status, {n: t for n, t in p.tallies.items() if n in OF_TABLES})
                for p in score.pages
            ]
            yield DocumentScore(path.stem, tuple(kept), {})


def _of(blocks: Iterable[Block]) -> Content:
    return Content((Sheet(0, tuple(blocks)),))


def _true_tables(path: Path) -> Iterator[Block]:
    """Regions of tables; places where no cell is are empty cells, as every format writes them."""
    for region in ElementTree.parse(path).getroot().iter("region"):
        cells = []
        for cell in region.iter("cell"):
            row, column = int(cell.get("start-row", 0)), int(cell.get("start-col", 0))
            last_row, last_column = int(cell.get("end-row", row)), int(cell.get("end-col", column))
            text = cell.findtext("content") or ""
            cells.append(Cell(row, column, text, last_row - row + 1, last_column - column + 1))
        yield table([*cells, *_holes(cells)])


def _holes(cells: Sequence[Cell]) -> Iterator[Cell]:
    taken = {
        (cell.row + down, cell.column + right)
        for cell in cells
        for down in range(cell.row_span)
        for right in range(cell.column_span)
    }
    rows, columns = (max((place[axis] for place in taken), default=-1) + 1 for axis in (0, 1))
    yield from (Cell(r, c) for r in range(rows) for c in range(columns) if (r, c) not in taken)


def _markdown(title: str, scores: Scores) -> str:
    """A table: scores down, readers across, the best of a row bold; how sure the lead over the peer is."""
    values = {name: {t.name: t for t in totals(found)} for name, found in scores.items()}
    letters = {name: _letters(found) for name, found in scores.items()}
    leads = {one.name: one for one in differences(scores[PEER], scores[OURS])}
    names = list(scores)
    lines = [f"**{html.escape(title)}**", ""]
    lines += [f"| score | {' | '.join(names)} | lead over {PEER} |", "|" + " --- |" + " ---: |" * (len(names) + 1)]
    if all(value is not None for value in letters.values()):
        row = [letters[name] or 0.0 for name in names]
        lines.append(_row("letters without white space", row, f"{row[0] - row[1]:+.3f}"))
    for name in values[OURS]:
        row = [values[reader][name].value if name in values[reader] else float("nan") for reader in names]
        lead = leads.get(name)
        edges = f" ({lead.interval[0]:+.3f} .. {lead.interval[1]:+.3f})" if lead and lead.interval else ""
        lines.append(_row(metric(name).title, row, f"{lead.difference:+.3f}{edges}" if lead else ""))
    return "\n".join(lines)


def _row(title: str, values: Sequence[float], lead: str) -> str:
    best = max(round(value, 3) for value in values if not isnan(value))
    cells = ["–" if isnan(v) else f"**{v:.3f}**" if round(v, 3) == best else f"{v:.3f}" for v in values]
    return f"| {title} | {' | '.join(cells)} | {lead} |"


def _letters(documents: Sequence[DocumentScore]) -> float | None:
    """Mean of the similarity of text alone (similarity.py)."""
    found = [page.tallies[LETTERS].amount for d in documents for page in d.pages if LETTERS in page.tallies]
    return sum(found) / len(found) if found else None


def _own(documents: Sequence[DocumentScore]) -> str:
    """What only DocTags say; the peers have no boxes to compare."""
    found = {total.name: total for total in totals(documents)}
    shown = [f"{metric(n).title} {found[n].value:.3f}" for n in found if n in OF_DOCTAGS or n.startswith("ap_")]
    return f"Our DocTags against {len(documents)} true ones, page by page: {', '.join(shown)}."


if __name__ == "__main__":
    main()
