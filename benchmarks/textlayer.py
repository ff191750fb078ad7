"""How well and how fast born-digital pages are read without a model, beside pymupdf4llm on the same files.

    python benchmarks/textlayer.py ../shared/data/docling
    python benchmarks/textlayer.py FOLDER --papers ../shared/data/readoc --tables ../shared/data/tables

The folder holds PDFs with their true Markdown beside them. Similarity is 1 - edit distance / longer length (rapidfuzz)
of the text with markup and white space folded away, by one function for truth and both readers. Speed is taken in one
process, the two readers in turn on each file. `--tables` takes the ICDAR 2013 competition's layout of files and scores
the adjacency relations of cells (Goebel et al. 2012), ours and those of PyMuPDF's find_tables.
One table for people, then one line of JSON.
"""

from __future__ import annotations

import argparse
import contextlib
import html
import io
import json
import os
import re
import statistics
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterable
from itertools import pairwise
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pymupdf
from rapidfuzz.distance import Levenshtein

# a script beside this one is called doctags and must not be found in the package's place
sys.path[0] = str(Path(__file__).resolve().parent.parent)

from converters import to_markdown  # noqa: E402 - only now can they be found
from doctags.tree import Cell, Document  # noqa: E402
from smoldocling.pages.textlayer import Reader  # noqa: E402

Relations = Counter[tuple[str, str, str]]
Score = dict[str, float]

_FOLDS = (
    (re.compile(r"<!--.*?-->", re.DOTALL), ""),
    (re.compile(r"!\[[^\]]*\]\([^)]*\)"), ""),
    (re.compile(r"\[([^\]\n]*)\]\((?:https?|mailto|#)[^)\s]*\)"), r"\1"),
    (re.compile(r"^```.*$", re.MULTILINE), ""),
    (re.compile(r"</?[a-zA-Z][a-zA-Z0-9]*(?:\s[^<>]*)?/?>"), ""),
    (re.compile(r"^[ \t]*\|?(?:[ \t]*:?-+:?[ \t]*\|)+[ \t]*:?-*:?[ \t]*$", re.MULTILINE), ""),
    (re.compile(r"^[ \t]*(?:#{1,6}|>|[-*+])[ \t]+", re.MULTILINE), ""),
    (re.compile(r"[|*_`\\]"), ""),
    (re.compile(r"\s+"), ""),
)


def main() -> None:
    """Measures, prints a table and one line of JSON."""
    arguments = _arguments()
    pymupdf.set_messages(path=os.devnull)  # pymupdf4llm tells at every call that it found no OCR engine
    result: dict[str, object] = {"load_average": os.getloadavg()[0], "pymupdf": pymupdf.VersionBind}
    print(f"load average {os.getloadavg()[0]:.1f}, {os.cpu_count()} CPUs")
    result["similarity"] = _similarities(arguments.folder)
    result["pages_per_second"] = _speeds(arguments.folder, arguments.repeat)
    if arguments.papers:
        result["papers"] = _similarities(arguments.papers)
    if arguments.tables:
        result["tables"] = _table_scores(arguments.tables)
    print(json.dumps(result))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("folder", type=Path, help="PDFs with their true .md beside them")
    parser.add_argument("--papers", type=Path, help="another such folder: similarity only")
    parser.add_argument("--tables", type=Path, help="PDFs with -str.xml beside them (ICDAR 2013)")
    parser.add_argument("--repeat", type=int, default=5, help="how often each file is read for the speed")
    return parser.parse_args()


def ours(path: Path) -> str:
    """A PDF's Markdown by our reader."""
    with pymupdf.open(path) as document:
        reader = Reader(document)
        pages = tuple(reader.read(index).page for index in range(document.page_count))
    return to_markdown(Document(pages))


def theirs(path: Path) -> str:
    """A PDF's Markdown by pymupdf4llm."""
    import pymupdf4llm

    with contextlib.redirect_stdout(io.StringIO()):
        return str(pymupdf4llm.to_markdown(str(path)))


def theirs_without_furniture(path: Path) -> str:
    """A PDF's Markdown by pymupdf4llm, told to leave page headers and footers out, as the truth does."""
    import pymupdf4llm

    with contextlib.redirect_stdout(io.StringIO()):
        return str(pymupdf4llm.to_markdown(str(path), header=False, footer=False))


READERS: dict[str, Callable[[Path], str]] = {
    "smoldocling": ours,
    "pymupdf4llm": theirs,
    "pymupdf4llm, no furniture": theirs_without_furniture,
}


def folded(markdown: str) -> str:
    """Markdown without its markup and without white space; case is kept."""
    for pattern, replacement in _FOLDS:
        markdown = pattern.sub(replacement, markdown)
    return html.unescape(markdown)


def similarity(text: str, truth: str) -> float:
    """1 - edit distance / longer length of the folded texts."""
    return float(Levenshtein.normalized_similarity(folded(text), folded(truth)))


def _similarities(folder: Path) -> dict[str, Score]:
    scores: dict[str, Score] = {name: {} for name in READERS}
    print(f"\nsimilarity to the .md beside each PDF of {folder}\n{'':34}" + "".join(f"{name:>28}" for name in READERS))
    for path in _truths(folder, ".md"):
        truth = path.with_suffix(".md").read_text("utf-8")
        for name, read in READERS.items():
            scores[name][path.stem] = round(similarity(read(path), truth), 4)
        print(f"{path.stem[:33]:34}" + "".join(f"{scores[name][path.stem]:28.3f}" for name in READERS))
    for score in scores.values():
        score["mean"] = round(statistics.mean(score.values()), 4)
    print(f"{'mean':34}" + "".join(f"{score['mean']:28.3f}" for score in scores.values()))
    return scores


def _truths(folder: Path, suffix: str) -> list[Path]:
    return [path for path in sorted(folder.glob("*.pdf")) if path.with_name(path.stem + suffix).exists()]


def _speeds(folder: Path, repeat: int) -> dict[str, Score]:
    """Median pages a second over whole passes through the folder, and the spread of the passes."""
    paths = _truths(folder, ".md")
    pages = sum(_page_count(path) for path in paths)
    readers = {name: READERS[name] for name in ("smoldocling", "pymupdf4llm")}
    seconds: dict[str, list[float]] = {name: [0.0] * repeat for name in readers}
    for turn in range(repeat):
        for path in paths:
            for name, read in readers.items():
                start = time.perf_counter()
                read(path)
                seconds[name][turn] += time.perf_counter() - start
    print(f"\npages a second, {len(paths)} files, {pages} pages, {repeat} passes")
    print(f"{'':34}{'median':>10}{'least':>10}{'most':>10}")
    result: dict[str, Score] = {}
    for name, times in seconds.items():
        rates = sorted(pages / value for value in times)
        result[name] = {
            "median": round(statistics.median(rates), 2),
            "least": round(rates[0], 2),
            "most": round(rates[-1], 2),
        }
        print(f"{name:34}" + "".join(f"{value:10.2f}" for value in result[name].values()))
    return result


def _page_count(path: Path) -> int:
    with pymupdf.open(path) as document:
        return int(document.page_count)


def _table_scores(folder: Path) -> dict[str, Score]:
    found = {"smoldocling": _our_tables, "find_tables": _their_tables}
    totals = {name: Counter[str]() for name in found}
    documents: dict[str, list[float]] = {name: [] for name in found}
    seconds = dict.fromkeys(found, 0.0)
    print(f"\nadjacency relations of the cells, {folder}\n{'':34}" + "".join(f"{name:>14}" for name in found))
    for path in _truths(folder, "-str.xml"):
        truth = _true_tables(path.with_name(path.stem + "-str.xml"))
        for name, read in found.items():
            start = time.perf_counter()
            tables = read(path)
            seconds[name] += time.perf_counter() - start
            counts = _compared(truth, tables)
            totals[name].update(counts)
            documents[name].append(_f1(counts))
        print(f"{path.stem:34}" + "".join(f"{documents[name][-1]:14.3f}" for name in found))
    result: dict[str, Score] = {}
    for name, total in totals.items():
        result[name] = {
            "f1": round(_f1(total), 4),
            "precision": round(total["hit"] / max(1, total["found"]), 4),
            "recall": round(total["hit"] / max(1, total["true"]), 4),
            "mean_f1": round(statistics.mean(documents[name]), 4),
            "seconds": round(seconds[name], 1),
        }
        print(f"{name:34}" + "  ".join(f"{key} {value:.3f}" for key, value in result[name].items()))
    return result


def _f1(counts: Counter[str]) -> float:
    both = counts["found"] + counts["true"]
    return 2 * counts["hit"] / both if both else 1.0


def _compared(truth: dict[int, Relations], tables: dict[int, Relations]) -> Counter[str]:
    counts = Counter[str]()
    for page in truth.keys() | tables.keys():
        true, found = truth.get(page, Relations()), tables.get(page, Relations())
        counts.update(true=true.total(), found=found.total(), hit=(true & found).total())
    return counts


def _true_tables(path: Path) -> dict[int, Relations]:
    pages: dict[int, Relations] = {}
    for region in ElementTree.parse(path).getroot().iter("region"):
        cells = []
        for cell in region.iter("cell"):
            row, column = int(cell.get("start-row", 0)), int(cell.get("start-col", 0))
            last_row, last_column = int(cell.get("end-row", row)), int(cell.get("end-col", column))
            text = cell.findtext("content") or ""
            cells.append(Cell(row, column, text, last_row - row + 1, last_column - column + 1))
        pages.setdefault(int(region.get("page", 1)), Relations()).update(relations(cells))
    return pages


def _our_tables(path: Path) -> dict[int, Relations]:
    pages: dict[int, Relations] = {}
    with pymupdf.open(path) as document:
        reader = Reader(document)
        for index in range(document.page_count):
            for element in reader.read(index).page.elements:
                if element.kind == "otsl":
                    pages.setdefault(index + 1, Relations()).update(relations(element.cells))
    return pages


def _their_tables(path: Path) -> dict[int, Relations]:
    import pymupdf.layout  # find_tables uses it once it is imported

    pages: dict[int, Relations] = {}
    with pymupdf.open(path) as document:
        for index, page in enumerate(document):
            found = page.find_tables(union=True, refine=True)
            for table in found.tables if found else ():
                pages.setdefault(index + 1, Relations()).update(relations(_placed(table.placements)))
    return pages


def _placed(placements: list[list[Any]]) -> list[Cell]:
    """PyMuPDF's rows of cells, which leave out the places that a span covers, with their rows and columns."""
    taken: set[tuple[int, int]] = set()
    cells = []
    for row, places in enumerate(placements):
        column = 0
        for place in places:
            while (row, column) in taken:
                column += 1
            cells.append(Cell(row, column, place.text or "", place.rowspan, place.colspan))
            taken |= {(row + r, column + c) for r in range(place.rowspan) for c in range(place.colspan)}
    return cells


def relations(cells: Iterable[Cell]) -> Relations:
    """Pairs of neighbours among the cells that are not empty, empty ones skipped, each as (text, text, direction)."""
    grid: dict[tuple[int, int], Cell] = {}
    for cell in cells:
        if cell.text.strip():
            for row in range(cell.row, cell.row + cell.row_span):
                for column in range(cell.column, cell.column + cell.column_span):
                    grid[row, column] = cell
    pairs: set[tuple[int, int, str]] = set()
    by_id = {id(cell): cell for cell in grid.values()}
    rows, columns = {row for row, _ in grid}, {column for _, column in grid}
    for row in rows:
        line = [grid[row, column] for column in sorted(columns) if (row, column) in grid]
        pairs |= {(id(a), id(b), "right") for a, b in pairwise(line) if a is not b}
    for column in columns:
        line = [grid[row, column] for row in sorted(rows) if (row, column) in grid]
        pairs |= {(id(a), id(b), "below") for a, b in pairwise(line) if a is not b}
    return Counter((_bare(by_id[a].text), _bare(by_id[b].text), direction) for a, b, direction in pairs)


def _bare(text: str) -> str:
    return "".join(char for char in text if char.isalnum()).lower()


if __name__ == "__main__":
    main()
