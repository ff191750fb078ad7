"""How well born-digital pages are read: our reader without a model, pymupdf4llm and markitdown, on the same files.

    python benchmarks/quality.py --pages ../shared/data/docling --pages ../shared/data/readoc --pages samples \\
        --tables ../shared/data/tables --cache /tmp/quality

Folders of `--pages` hold PDFs with their true Markdown or DocTags beside them, `--tables` the ICDAR 2013 competition's
layout of files. What the peers say is kept in the folder of `--cache`, under their versions, and asked for once.
"""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import html
import io
import json
import os
import re
import statistics
import sys
from collections import Counter
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path

import pymupdf

sys.path[0] = str(Path(__file__).resolve().parent.parent)
sys.path.append(str(Path(__file__).resolve().parent))

import lxml.html  # noqa: E402 - only now can they be found
import textlayer  # noqa: E402
from markdown_it import MarkdownIt  # noqa: E402

import doctags  # noqa: E402
from converters import to_markdown  # noqa: E402
from doctags.tree import Cell  # noqa: E402


def main() -> None:
    """Measures, prints tables and one line of JSON."""
    arguments = _arguments()
    pymupdf.set_messages(path=os.devnull)
    peers = Peers(arguments.cache)
    readers = {
        "smoldocling": textlayer.ours,
        "pymupdf4llm": lambda path: peers.markdown("pymupdf4llm", textlayer.theirs, path),
        "pymupdf4llm-bare": lambda path: peers.markdown("pymupdf4llm-bare", textlayer.theirs_without_furniture, path),
        "markitdown": lambda path: peers.markdown("markitdown", markitdown, path),
    }
    result: dict[str, object] = {}
    for folder in arguments.pages:
        result[str(folder)] = similarities(folder, readers)
    if arguments.tables:
        result[str(arguments.tables)] = tables(arguments.tables, readers)
    print(json.dumps(result))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--pages", type=Path, action="append", default=[], help="PDFs with their true .md or .dt")
    parser.add_argument("--tables", type=Path, help="PDFs with -str.xml beside them (ICDAR 2013)")
    parser.add_argument("--cache", type=Path, required=True, help="where the peers' Markdown is kept")
    return parser.parse_args()


class Peers:
    """What the others read, each file once."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def markdown(self, name: str, read: Callable[[Path], str], path: Path) -> str:
        release = version(name.removesuffix("-bare"))
        key = hashlib.sha256(path.read_bytes()).hexdigest()[:16]
        kept = self._folder / f"{name}-{release}" / f"{path.stem}-{key}.md"
        if not kept.exists():
            text = read(path)
            kept.parent.mkdir(parents=True, exist_ok=True)
            kept.write_text(text, "utf-8")
        return kept.read_text("utf-8")


def markitdown(path: Path) -> str:
    """A PDF's Markdown by markitdown."""
    from markitdown import MarkItDown

    with contextlib.redirect_stdout(io.StringIO()):
        return str(MarkItDown(enable_plugins=False).convert(str(path)).markdown)


def similarities(folder: Path, readers: dict[str, Callable[[Path], str]]) -> dict[str, dict[str, float]]:
    """Folded text similarity of every PDF that has its truth beside it."""
    scores: dict[str, dict[str, float]] = {name: {} for name in readers}
    print(f"\ntext similarity, {folder}\n{'':34}" + "".join(f"{name:>18}" for name in readers))
    for path in sorted(folder.glob("*.pdf")):
        truth = _truth(path)
        if truth is None:
            continue
        for name, read in readers.items():
            scores[name][path.stem] = round(textlayer.similarity(read(path), truth), 4)
        print(f"{path.stem[:33]:34}" + "".join(f"{scores[name][path.stem]:18.3f}" for name in readers))
    for score in scores.values():
        score["mean"] = round(statistics.mean(score.values()), 4)
    print(f"{'mean':34}" + "".join(f"{score['mean']:18.3f}" for score in scores.values()))
    return scores


def _truth(path: Path) -> str | None:
    if path.with_suffix(".md").exists():
        return path.with_suffix(".md").read_text("utf-8")
    if path.with_suffix(".dt").exists():
        return to_markdown(doctags.parse(path.with_suffix(".dt").read_text("utf-8")))
    return None


def tables(folder: Path, readers: dict[str, Callable[[Path], str]]) -> dict[str, dict[str, float]]:
    """Adjacency relations of cells (Goebel et al. 2012), whole documents, of the tables in each reader's Markdown."""
    scores: dict[str, dict[str, float]] = {name: {} for name in readers}
    totals = {name: Counter[str]() for name in readers}
    print(f"\nadjacency F1 of tables in Markdown, {folder}\n{'':34}" + "".join(f"{name:>18}" for name in readers))
    for path in sorted(folder.glob("*.pdf")):
        structure = path.with_name(path.stem + "-str.xml")
        if not structure.exists():
            continue
        true: Counter[tuple[str, str, str]] = Counter()
        for page in textlayer._true_tables(structure).values():
            true.update(page)
        for name, read in readers.items():
            found: Counter[tuple[str, str, str]] = Counter()
            for cells in tables_of(read(path)):
                found.update(textlayer.relations(cells))
            counts = Counter(true=true.total(), found=found.total(), hit=(true & found).total())
            totals[name].update(counts)
            scores[name][path.stem] = round(textlayer._f1(counts), 4)
        print(f"{path.stem:34}" + "".join(f"{scores[name][path.stem]:18.3f}" for name in readers))
    for name, score in scores.items():
        score["mean"] = round(statistics.mean(score.values()), 4)
        score["total"] = round(textlayer._f1(totals[name]), 4)
    for row in ("mean", "total"):
        print(f"{row:34}" + "".join(f"{score[row]:18.3f}" for score in scores.values()))
    return scores


_MARKUP = re.compile(r"\*\*|__|`|<br\s*/?>|\\(?=[^\w\s])")


def tables_of(markdown: str) -> list[list[Cell]]:
    """The cells of all GFM and HTML tables."""
    found: list[list[Cell]] = []
    row, column, inside = -1, 0, False
    for token in MarkdownIt("commonmark").enable("table").parse(markdown):
        if token.type == "html_block" and "<table" in token.content:
            root = lxml.html.fromstring(f"<div>{token.content}</div>")
            found += [_html_cells(table) for table in root.iter("table")]
        elif token.type == "table_open":
            found.append([])
            row = -1
        elif token.type == "tr_open" and found:
            row, column = row + 1, 0
        elif token.type in ("th_open", "td_open"):
            inside = True
        elif token.type == "inline" and token.level >= 3 and found and inside:
            found[-1].append(Cell(row, column, html.unescape(_MARKUP.sub(" ", token.content))))
            column, inside = column + 1, False
    return found


def _html_cells(table: lxml.html.HtmlElement) -> list[Cell]:
    taken: set[tuple[int, int]] = set()
    cells = []
    for row, line in enumerate(table.iter("tr")):
        column = 0
        for cell in line.iterchildren("td", "th"):
            while (row, column) in taken:
                column += 1
            tall, wide = int(cell.get("rowspan", 1)), int(cell.get("colspan", 1))
            cells.append(Cell(row, column, cell.text_content(), tall, wide))
            taken |= {(row + y, column + x) for y in range(tall) for x in range(wide)}
    return cells


if __name__ == "__main__":
    main()
