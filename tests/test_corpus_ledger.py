"""A large run may be cut off anywhere: its shards are what they would have been."""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from random import Random

import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from smoldocling.corpus.entry import Key
from smoldocling.corpus.ledger import Ledger

SHARD_PAGES = 4
# These write thousands of small files, and nobody cuts the power here.
MEMORY = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None


@dataclass(frozen=True)
class Paper:
    """A document as the ledger sees it; `content` 0 cannot be fetched, 1 not be opened."""

    key: Key
    content: int
    last: bool

    @property
    def digest(self) -> str:
        return hashlib.sha256(bytes([self.content])).hexdigest()

    @property
    def pages(self) -> int:
        return self.content - 1


@st.composite
def corpora(draw: st.DrawFn) -> tuple[list[Paper], dict[int, int]]:
    """Sources of one document, or, as tar files have them, of several; some contents occur again and again."""
    papers: list[Paper] = []
    members: dict[int, int] = {}
    for source in range(draw(st.integers(0, 6))):
        contents = draw(st.lists(st.integers(0, 7), min_size=1, max_size=4))
        single = len(contents) == 1 and draw(st.booleans())
        papers += [Paper((source, n), content, last=single) for n, content in enumerate(contents)]
        if not single:
            members[source] = len(contents)
    return papers, members


def row(paper: Paper, number: int, seconds: float) -> dict:
    """What a page of that content always gives."""
    status = ("ok", "blank", "failed", "textlayer", "truncated")[(paper.content * 3 + number) % 5]
    return {
        "page": number,
        "of": paper.pages,
        "status": status,
        "reason": f"because of {number}" if status in ("failed", "truncated") else None,
        "engine": "native",
        "doctags": f"<doctag>{paper.content}.{number}\n\N{SNOWMAN}</doctag>",
        "markdown": f"# {paper.content}",
        "problems": [{"kind": "x", "severity": "error", "message": "m", "line": 1, "column": number}],
        "agreement": None,
        "seconds": seconds,
        "note": None,
        "warnings": [f"cut short at {number}"] if paper.content == 5 else [],
    }


def arriving(ledger: Ledger, papers: list[Paper], members: dict[int, int]) -> Iterator[tuple[Paper, int] | None]:
    """What the run has to convert, as far as the ledger lets it. None: a paper has come in that asks for nothing."""
    for paper in papers:
        if not ledger.settled(paper.key):
            name = f"paper {paper.key}"
            if paper.content == 0:
                ledger.unfit(paper.key, name, name, "no such file", last=paper.last)
                yield None
            else:
                done = ledger.arrive(paper.key, name, name, paper.digest, paper.content, last=paper.last)
                if done is None:
                    yield None
                elif paper.pages == 0:
                    yield paper, 0
                else:
                    yield from ((paper, number) for number in range(1, paper.pages + 1) if number not in done)
        source, member = paper.key
        if members.get(source) == member + 1 and source >= ledger.head[0]:
            ledger.end(source, member + 1)


def work(ledger: Ledger, papers: list[Paper], members: dict[int, int], random: Random, steps: int | None) -> bool:
    """Convert in any order, up to four pages at a time. True: everything is done; False: `steps` were, and no more."""
    todo = arriving(ledger, papers, members)
    flying: list[tuple[Paper, int]] = []
    left = True
    taken = 0
    while left or flying:
        if steps is not None and taken >= steps:
            return False
        taken += 1
        if left and (not flying or (len(flying) < 4 and random.random() < 0.6)):
            try:
                found = next(todo)
            except StopIteration:
                left = False
                continue
            if found is not None:
                flying.append(found)
            continue
        paper, number = flying.pop(random.randrange(len(flying)))
        if number:
            ledger.add(paper.key, row(paper, number, random.random()))
        else:
            ledger.add(paper.key, {"page": 0, "of": 1, "status": "failed", "reason": "damaged", "engine": "none"})
    ledger.finish()
    return True


def opened(folder: Path) -> Ledger:
    (folder / ".corpus").mkdir(parents=True, exist_ok=True)
    return Ledger(folder, versions="1", shard_pages=SHARD_PAGES)


def written(folder: Path) -> dict[str, bytes]:
    """All that must be the same: everything but how long pages took, and the workshop."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    shown = {str(path.relative_to(folder)): path.read_bytes() for path in files}
    return {name: data for name, data in shown.items() if not name.startswith((".corpus", "timings"))}


def damage(journal: Path, random: Random) -> None:
    """What a crash or a power cut leaves: any beginning of the file, perhaps with something else behind it."""
    data = journal.read_bytes()
    kept = data[: random.randint(0, len(data))] if random.random() < 0.5 else data[: len(data) - random.randint(0, 40)]
    tail = random.choice([b"", b"\0" * 20, b'deadbeef {"kind":"page"}\n', b"\xff\n\n"])
    journal.write_bytes(kept + tail)


@given(corpora(), st.randoms(use_true_random=False), st.lists(st.integers(0, 12), max_size=6))
@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_where_a_run_is_cut_off_and_in_which_order_pages_are_done_changes_nothing(corpus, random, interruptions):
    """The law of the ledger: any beginning of the journal leads to the same files, byte for byte."""
    papers, members = corpus
    root = Path(tempfile.mkdtemp(dir=MEMORY))
    try:
        plain = opened(root / "plain")
        work(plain, papers, members, Random(0), None)
        plain.close()

        disturbed = root / "disturbed"
        for steps in interruptions:
            ledger = opened(disturbed)
            work(ledger, papers, members, random, steps)
            ledger.close()
            damage(disturbed / ".corpus" / "journal", random)
        ledger = opened(disturbed)
        work(ledger, papers, members, random, None)
        tally = ledger.tally()
        ledger.close()
        assert written(disturbed) == written(root / "plain")

        rows = [
            (row["path"], row["page"])
            for path in sorted((disturbed / "pages").iterdir())
            for row in pq.read_table(path).to_pylist()
        ]
        expected = [
            (f"paper {paper.key}", number)
            for paper in papers
            for number in (range(1, paper.pages + 1) if paper.pages > 0 else [0])
        ]
        assert rows == expected, "every page once, in the order of the sources"
        assert sum(tally.pages.values()) == len(expected)
        assert sum(tally.documents.values()) == len(papers)
    finally:
        shutil.rmtree(root)


@given(corpora(), st.randoms(use_true_random=False))
@settings(max_examples=30, deadline=None)
def test_content_is_converted_once(corpus, random):
    """However many files hold it, and whatever order things are done in."""
    papers, members = corpus
    with tempfile.TemporaryDirectory(dir=MEMORY) as root:
        ledger = opened(Path(root))
        asked = [found for found in arriving(ledger, papers, members) if found is not None]
        assert len(asked) == len({(paper.content, number) for paper, number in asked})
        random.shuffle(asked)
        ledger.close()


def test_counting_goes_on_where_it_stopped(tmp_path):
    """The summary of a run that was continued is that of the whole."""
    papers = [Paper((n, 0), content, last=True) for n, content in enumerate([6, 0, 6, 1, 5, 3])]
    ledger = opened(tmp_path)
    work(ledger, papers, {}, Random(1), 9)
    before = ledger.tally()
    ledger.close()
    ledger = opened(tmp_path)
    assert ledger.tally() == before
    work(ledger, papers, {}, Random(1), None)
    total = ledger.tally()
    ledger.close()
    again = opened(tmp_path)
    assert again.finished
    assert again.tally() == total
    again.close()
    assert total.documents == {"partial": 3, "failed": 2, "ok": 1}


def test_a_file_that_changes_between_two_runs_is_converted_again(tmp_path):
    """Pages of its former content must not be mixed with those of its new one; its twin is converted for itself."""
    old, new = Paper((0, 0), 4, last=True), Paper((0, 0), 3, last=True)
    twin = Paper((1, 0), 4, last=True)
    ledger = opened(tmp_path)
    assert ledger.arrive(old.key, "a", "a", old.digest, 9, last=True) == frozenset()
    ledger.add(old.key, row(old, 2, 1.0))
    assert ledger.arrive(twin.key, "b", "b", twin.digest, 9, last=True) is None
    ledger.close()
    ledger = opened(tmp_path)
    assert not ledger.settled(old.key)
    assert ledger.arrive(new.key, "a", "a", new.digest, 9, last=True) == frozenset()
    assert not ledger.settled(twin.key)
    assert ledger.arrive(twin.key, "b", "b", twin.digest, 9, last=True) == frozenset()
    for paper in (new, twin):
        for number in range(1, paper.pages + 1):
            ledger.add(paper.key, row(paper, number, 1.0))
    ledger.finish()
    ledger.close()
    rows = [row for path in sorted((tmp_path / "pages").iterdir()) for row in pq.read_table(path).to_pylist()]
    assert [(row["path"], row["page"], row["hash"]) for row in rows] == [
        *[("a", number, new.digest) for number in (1, 2)],
        *[("b", number, twin.digest) for number in (1, 2, 3)],
    ]


def test_the_same_content_in_many_shards_is_taken_from_the_first(tmp_path):
    """Its rows are copied from the shard that has them; the table of documents says whose they are."""
    papers = [Paper((n, 0), content, last=True) for n, content in enumerate([6, 4, 6, 4, 6, 7, 6])]
    ledger = opened(tmp_path)
    asked = []
    todo = arriving(ledger, papers, {})
    for found in todo:
        if found is not None:
            paper, number = found
            asked.append(found)
            ledger.add(paper.key, row(paper, number, 0.5))
    ledger.finish()
    ledger.close()
    assert len(asked) == 5 + 3 + 6
    documents = pq.read_table(tmp_path / "documents.parquet").to_pylist()
    assert [document["same_as"] for document in documents] == [
        None,
        None,
        "paper (0, 0)",
        "paper (1, 0)",
        "paper (0, 0)",
        None,
        "paper (0, 0)",
    ]
    shards = sorted((tmp_path / "pages").iterdir())
    assert len(shards) > 3
    rows = [row for path in shards for row in pq.read_table(path).to_pylist()]
    first = [row["doctags"] for row in rows if row["path"] == "paper (0, 0)"]
    assert first == [row["doctags"] for row in rows if row["path"] == "paper (6, 0)"]
    seconds = [row for path in sorted((tmp_path / "timings").iterdir()) for row in pq.read_table(path).to_pylist()]
    assert [(row["path"], row["page"]) for row in seconds] == [(row["path"], row["page"]) for row in rows]
    assert {row["seconds"] for row in seconds if row["path"] == "paper (6, 0)"} == {None}


def test_a_full_disk_leaves_the_journal_as_it_was(tmp_path, monkeypatch):
    """The part of a record that still found room is taken away again, so that what is appended later can be read."""
    ledger = opened(tmp_path)
    paper = Paper((0, 0), 4, last=True)
    ledger.arrive(paper.key, "a", "a", paper.digest, 9, last=True)
    real = os.pwrite
    monkeypatch.setattr(
        os, "pwrite", lambda file, data, at: real(file, data[: len(data) // 2], at) if len(data) > 9 else full()
    )
    with pytest.raises(OSError, match="full"):
        ledger.add(paper.key, row(paper, 1, 1.0))
    monkeypatch.undo()
    ledger.add(paper.key, row(paper, 1, 1.0))
    ledger.close()
    ledger = opened(tmp_path)
    assert ledger.arrive(paper.key, "a", "a", paper.digest, 9, last=True) == {1}
    ledger.close()


def full() -> int:
    raise OSError(28, "full")
