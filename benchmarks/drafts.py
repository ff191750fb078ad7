"""What drafts save: steps, and time on a network of full size that writes what really stands on the pages.

    python benchmarks/fullsize.py full256
    python benchmarks/drafts.py full256 samples/report.pdf ../shared/data/docling/*.pdf [--text FILE.md...]

Every PDF lies beside its true DocTags (.dt). The network has random weights and the real cost of every step; the ids
that it finds are replaced by those of the true page, so that it writes as a model does that never errs. Drafts are
what the page's text layer says, right or wrong. `--text` gives text to learn a vocabulary of real size from: with the
small one of the tests, words would have more pieces, and drafts would look better than they are.

Three ways, in turn, so that a disturbance hits all: without drafts, with them, and with drafts of other pages' words
shuffled, of which nothing ever fits. Tiles are encoded once; the tower takes the same time each way, and it is added
to the time of a page. One table for people, then one line of JSON.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import count
from pathlib import Path
from random import Random
from typing import Any

# a script beside this one is called doctags and must not be found in the package's place
sys.path[0] = str(Path(__file__).resolve().parent.parent)

import torch  # noqa: E402 - only now is the path right
from tokenizers import Tokenizer, trainers  # noqa: E402

import doctags  # noqa: E402
from benchmarks import machine  # noqa: E402
from smoldocling import checkpoint as checkpoints  # noqa: E402
from smoldocling import draft, loops  # noqa: E402
from smoldocling.engine.native import Native  # noqa: E402
from smoldocling.engine.sequence import Request  # noqa: E402
from smoldocling.engine.speculate import Odds, Price  # noqa: E402
from smoldocling.engine.stop import Watch  # noqa: E402
from smoldocling.masks import Masks  # noqa: E402
from smoldocling.pages import documents, sources  # noqa: E402
from smoldocling.pieces import Pieces  # noqa: E402
from smoldocling.transcriber import Transcriber  # noqa: E402
from smoldocling.vocab import Vocab  # noqa: E402

WAYS = ("plain", "drafts", "misled")


@dataclass(frozen=True)
class Page:
    """A request with its draft, and the ids of what is true."""

    name: str
    request: Request
    answer: tuple[int, ...]


class Scripted:
    """The network, whose every answer is the next page's true one."""

    def __init__(self, network: Any, stop_id: int) -> None:
        self._network = network
        self._stop_id = stop_id
        self._pages: list[Page] = []
        self._begun = 0
        self._slots: dict[int, tuple[int, tuple[int, ...]]] = {}
        self.features: dict[bytes, torch.Tensor] = {}

    def __getattr__(self, name: str) -> Any:
        return getattr(self._network, name)

    def perform(self, pages: list[Page]) -> None:
        """From now on these are written, in this order: pages are prepared in the order in which they came."""
        self._pages, self._begun, self._slots = pages, 0, {}

    def encode(self, tiles: torch.Tensor) -> torch.Tensor:
        key = tiles.numpy().tobytes()
        if key not in self.features:
            self.features[key] = self._network.encode(tiles)
        return self.features[key]

    def prefill(self, x: torch.Tensor, slot: int, start: int, cache: Any) -> int:
        self._network.prefill(x, slot, start, cache)
        script = self._pages[self._begun].answer
        self._begun += 1
        self._slots[slot] = (start + len(x), script)
        return script[0]

    def step(self, ids: Sequence[int], spans: Sequence[Any], cache: Any, logits: Any = None) -> list[int]:
        self._network.step(ids, spans, cache, logits)
        found = []
        for span in spans:
            rows, script = self._slots[span.slot]
            for row in range(span.count):
                at = span.start + row - rows + 1
                found.append(script[at] if at < len(script) else self._stop_id)
        return found


def main() -> None:
    """Measures, prints a table and one line of JSON."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("checkpoint", type=Path)
    parser.add_argument("files", nargs="+", type=Path)
    parser.add_argument("--text", nargs="*", type=Path, default=[])
    parser.add_argument("--batches", nargs="*", type=int, default=[1, 8])
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--dtype", default="bfloat16")
    parser.add_argument("--splits", type=int, default=5)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        measure(arguments, taught(arguments.checkpoint, arguments.text, Path(folder)))


def measure(arguments: argparse.Namespace, folder: Path) -> None:
    checkpoint = checkpoints.read(folder, name="full size")
    vocab = Vocab(checkpoint)
    pieces = Pieces(vocab)
    engine = Native(
        checkpoint,
        vocab,
        device="cpu",
        dtype=arguments.dtype,
        law=Masks(vocab, strict=False),
        watcher=lambda most: Watch(loops.Reading(pieces), most),
    )
    network = Scripted(engine.network, min(vocab.stop_ids))
    engine.network = network  # type: ignore[assignment]
    keys = count()
    pages = [page for file in arguments.files for page in read(engine, vocab, file, arguments.splits, keys)]
    misled = [replace(page, request=replace(page.request, draft=shuffled(pages, page))) for page in pages]
    plain = [replace(page, request=replace(page.request, draft=())) for page in pages]
    asked = dict(zip(WAYS, (plain, pages, misled), strict=True))
    started = time.perf_counter()
    for page in pages:
        for tile in torch.from_numpy(page.request.tiles):
            network.encode(tile[None])
    tower = (time.perf_counter() - started) / len(pages)

    ids = sum(len(page.answer) for page in pages)
    record: dict[str, Any] = {
        "benchmark": "drafts",
        "machine": machine.facts(),
        "dtype": arguments.dtype,
        "pages": len(pages),
        "ids": ids,
        "tower_s": tower,
        "batches": {},
    }
    print(f"{len(pages)} pages, {ids} ids, {arguments.dtype}; the tower takes {tower:.2f} s a page")
    print(f"{'batch':<6}{'way':<9}{'ids a step':>11}{'ids/s':>22}{'pages/min':>11}{'time':>8}")
    for batch in arguments.batches:
        times: dict[str, list[float]] = {way: [] for way in WAYS}
        steps: dict[str, list[float]] = {way: [] for way in WAYS}
        for _ in range(arguments.repeat):
            for way in WAYS:
                seconds, each = run(engine, network, asked[way], batch, drafts=way != "plain")
                times[way].append(seconds)
                steps[way] = each
        rows = {}
        for way in WAYS:
            middle = statistics.median(times[way])
            rows[way] = {
                "ids_per_step": ids / sum(steps[way]),
                "seconds": times[way],
                "pages_per_minute": 60 * len(pages) / (middle + tower * len(pages)),
                "of_plain": statistics.median(a / b for a, b in zip(times[way], times["plain"], strict=True)),
            }
            spread = f"{ids / middle:.0f} ({ids / max(times[way]):.0f}-{ids / min(times[way]):.0f})"
            print(
                f"{batch:<6}{way:<9}{rows[way]['ids_per_step']:>11.2f}{spread:>22}"
                f"{rows[way]['pages_per_minute']:>11.2f}{rows[way]['of_plain']:>7.0%}"
            )
        rows["each"] = {  # type: ignore[assignment]
            page.name: round(len(page.answer) / step, 2) for page, step in zip(pages, steps["drafts"], strict=True)
        }
        record["batches"][batch] = rows
    for name, rate in rows["each"].items():
        print(f"  {name:<40}{rate:>8.2f} ids a step")
    print(json.dumps(record))


def run(engine: Native, network: Scripted, pages: list[Page], batch: int, *, drafts: bool) -> tuple[float, list[int]]:
    """Seconds for all without the tower, and the steps of each page. Odds and prices are learnt anew."""
    engine.odds = Odds() if drafts else None
    engine.price = Price()
    engine.measured, engine.most, engine.batch_size = False, batch, batch
    engine.known.clear()
    network.perform(pages)
    started = time.perf_counter()
    answers = {answer.key: answer for answer in engine.run([page.request for page in pages])}
    seconds = time.perf_counter() - started
    for page in pages:
        assert answers[page.request.key].ids == page.answer, f"{page.name}: {answers[page.request.key].finish}"
    return seconds, [answers[page.request.key].steps for page in pages]


def read(engine: Native, vocab: Vocab, file: Path, splits: int, keys: Iterator[int]) -> list[Page]:
    """The pages of a PDF as the library asks for them, with what is true of each."""
    transcriber = Transcriber(engine, vocab, splits, None, drafts=True)
    truth = doctags.parse(file.with_suffix(".dt").read_text(encoding="utf-8"))
    [source] = [each for each in sources.expand([file]) if isinstance(each, sources.Source)]
    found = []
    with documents.Document(source) as document:
        for number, true in enumerate(truth.pages, 1):
            page = document.page(number)
            assert page.reading is not None, "a PDF has a text layer"
            cut = transcriber.view.of(page)
            assert cut is not None, f"{file.name} {number} is blank"
            request = transcriber.request(next(keys), cut, page.reading())
            answer = vocab.spell(draft.pieces(draft.spelt(true, vocab)))
            found.append(Page(f"{file.stem} {number}", request, answer))
    return found


def shuffled(pages: list[Page], page: Page) -> tuple[int, ...]:
    """As many ids as the page's draft has, out of the others', in an order that nothing ever has."""
    random = Random(page.name)
    ids = [token for other in pages if other is not page or len(pages) == 1 for token in other.answer]
    return tuple(random.choices(ids, k=len(page.request.draft)))


def taught(folder: Path, texts: Sequence[Path], to: Path) -> Path:
    """The checkpoint with a vocabulary learnt from some texts, as many pieces of it as there are places."""
    if not texts:
        return folder
    for path in folder.iterdir():
        if path.name != "tokenizer.json":
            (to / path.name).symlink_to(path.resolve())
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    content = json.loads((folder / "tokenizer.json").read_text(encoding="utf-8"))
    places = sorted(token["id"] for token in content["added_tokens"])
    first = next(place for place, at in enumerate(places) if place != at)
    trainer = trainers.BpeTrainer(
        vocab_size=places[first] - first,
        min_frequency=2,
        show_progress=False,
        initial_alphabet=sorted(piece for piece in content["model"]["vocab"] if len(piece) == 1),
    )
    tokenizer.train_from_iterator((path.read_text(encoding="utf-8") for path in texts), trainer)
    learnt = json.loads(tokenizer.to_str())["model"]
    known = {token["content"] for token in content["added_tokens"]}
    names = [name for name in sorted(learnt["vocab"], key=learnt["vocab"].get) if name not in known]
    early = {token["content"]: token["id"] for token in content["added_tokens"] if token["id"] < first}
    vocab = early | {name: first + number for number, name in enumerate(names[: places[first] - first])}
    vocab |= {f"p{number:x}": number for number in range(len(vocab), places[first])}
    content["model"]["vocab"], content["model"]["merges"] = vocab, learnt["merges"]
    (to / "tokenizer.json").write_text(json.dumps(content), encoding="utf-8")
    return to


if __name__ == "__main__":
    main()
