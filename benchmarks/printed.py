"""READMEs as PDFs that a browser printed, with their Markdown beside them: documents that are no papers.

    python benchmarks/printed.py printed
    python benchmarks/quality.py --pages printed --cache /tmp/quality

The texts are those of the packages that are installed here: with constraints.txt the same ones everywhere. Each is
printed by headless Chromium in one of four looks, in turn: as on the web, with and without tags; like a paper, without
tags; like an office document. What a PDF cannot show (comments, badges, HTML) is taken out of both.
"""

from __future__ import annotations

import argparse
import email
import re
import subprocess
import tempfile
from collections.abc import Iterator
from importlib.metadata import distributions
from itertools import cycle
from pathlib import Path
from typing import NamedTuple

from markdown_it import MarkdownIt

# Characters of a text: with less there is nothing to read, with more one document is half of the result.
LEAST, MOST = 1500, 22_000

WEB = """body{font-family:'Segoe UI',Helvetica,Arial,sans-serif;font-size:16px;line-height:1.5;color:#1f2328}
h1,h2{border-bottom:1px solid #d1d9e0;padding-bottom:.3em} h1{font-size:2em} h2{font-size:1.5em} h3{font-size:1.25em}
code{font-family:monospace;background:#eff1f3;padding:.2em .4em;font-size:85%;border-radius:6px}
pre{background:#f6f8fa;padding:16px;border-radius:6px;font-size:85%;white-space:pre-wrap}
pre code{background:none;padding:0;font-size:100%}
table{border-collapse:collapse} td,th{border:1px solid #d1d9e0;padding:6px 13px} tr:nth-child(2n){background:#f6f8fa}
blockquote{border-left:.25em solid #d1d9e0;color:#59636e;padding:0 1em;margin:0} a{color:#0969da}"""
PAPER = """@page{size:A4;margin:25mm 30mm;@bottom-center{content:counter(page);font-family:serif;font-size:10pt}}
body{font-family:'DejaVu Serif',Georgia,serif;font-size:10pt;line-height:1.2;text-align:justify;hyphens:auto}
h1{font-size:14.4pt} h2{font-size:12pt} h3{font-size:10pt} h4{font-size:10pt;font-style:italic;font-weight:normal}
body{counter-reset:a} h2{counter-reset:b} h2::before{counter-increment:a;content:counter(a) "   "}
h3::before{counter-increment:b;content:counter(a) "." counter(b) "   "}
code,pre{font-family:'DejaVu Sans Mono',monospace;font-size:9pt} pre{white-space:pre-wrap;text-align:left}
ul{list-style:none;padding-left:18pt} ul>li{position:relative}
ul>li::before{content:"\\2022";position:absolute;left:-12pt} ul ul>li::before{content:"\\2013"}
table{border-collapse:collapse;margin:auto;border-top:1pt solid;border-bottom:1pt solid} th{border-bottom:.5pt solid}
td,th{padding:2pt 6pt;text-align:left} blockquote{margin:0 18pt} a{color:#000;text-decoration:none}"""
OFFICE = """@page{size:A4;margin:20mm} body{font-family:Carlito,'Liberation Sans',sans-serif;font-size:11pt}
h1{font-size:20pt;color:#2f5496} h2{font-size:15pt;color:#2f5496} h3{font-size:12.5pt;color:#1f3763}
h4{font-size:11pt;font-style:italic;color:#2f5496} code,pre{font-family:'DejaVu Sans Mono',monospace;font-size:9.5pt}
pre{border:1px solid #999;padding:6pt;white-space:pre-wrap} ul{list-style-type:square} ul ul{list-style-type:disc}
table{border-collapse:collapse} td,th{border:.5pt solid #000;padding:2pt 5pt;vertical-align:top}
blockquote{margin:0 20pt;font-style:italic}"""


class Look(NamedTuple):
    """A style sheet, and whether the PDF has tags."""

    style: str
    tagged: bool


LOOKS = {"web": Look(WEB, True), "plain": Look(WEB, False), "paper": Look(PAPER, False), "office": Look(OFFICE, True)}
_TAG = re.compile(r"</?[a-z][a-z0-9]*\b[^<>]*>", re.IGNORECASE)
_IMAGE = r"!\[[^\]]*\](?:\([^)]*\)|\[[^\]]*\])"
_BADGE = re.compile(rf"\[{_IMAGE}\](?:\([^)]*\)|\[[^\]]*\])|{_IMAGE}")


def main() -> None:
    """Prints them all."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--browser", default="chromium")
    arguments = parser.parse_args()
    arguments.folder.mkdir(parents=True, exist_ok=True)
    markdown = MarkdownIt("commonmark").enable("table").enable("strikethrough")
    for (name, text), look in zip(readmes(), cycle(LOOKS), strict=False):
        stem = arguments.folder / f"{name}-{look}"
        stem.with_suffix(".md").write_text(text, encoding="utf-8")
        page = f"<!doctype html><html lang=en><meta charset=utf-8><style>{LOOKS[look].style}</style>"
        printed(arguments.browser, page + markdown.render(text), stem.with_suffix(".pdf"), tagged=LOOKS[look].tagged)
        print(f"{stem.name}: {len(text)} characters", flush=True)


def readmes() -> Iterator[tuple[str, str]]:
    """The Markdown of each installed package that has some, by name."""
    for found in sorted(distributions(), key=lambda each: each.name.lower()):
        described = email.message_from_string(found.read_text("METADATA") or "")
        if "markdown" not in (described.get("Description-Content-Type") or "") or found.name == "smoldocling":
            continue
        text = shown(str(described.get_payload() or described.get("Description") or ""))
        if LEAST < len(text) < MOST:
            yield found.name, text


def shown(text: str) -> str:
    """What of a text a PDF can show: no comments, badges and tags, but in code."""
    parts = re.split(r"(```.*?```|`[^`\n]*`)", re.sub(r"<!--.*?-->", "", text, flags=re.DOTALL), flags=re.DOTALL)
    return "".join(part if part.startswith("`") else _TAG.sub("", _BADGE.sub("", part)) for part in parts)


def printed(browser: str, html: str, to: Path, *, tagged: bool) -> None:
    """Prints a page. Raises CalledProcessError where the browser fails."""
    with tempfile.TemporaryDirectory() as folder:
        page = Path(folder) / "page.html"
        page.write_text(html, encoding="utf-8")
        options = ["--headless", "--no-sandbox", "--disable-gpu", "--no-pdf-header-footer", f"--user-data-dir={folder}"]
        options += [] if tagged else ["--disable-pdf-tagging"]
        command = [browser, *options, f"--print-to-pdf={to.resolve()}", page.as_uri()]
        subprocess.run(command, capture_output=True, check=True, timeout=120)


if __name__ == "__main__":
    main()
