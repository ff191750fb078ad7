"""Words that mean the same: WordNet's own files, read without anybody's library.

Knows: the files of WordNet 3 (wndb(5WN), morphy(7WN)). Does not know: scores. Nothing is downloaded: Debian's package
wordnet-base has the files, and so has a folder of NLTK's data.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from functools import cache, lru_cache
from pathlib import Path

_PARTS = ("noun", "verb", "adj", "adv")
# Endings that words of a part of speech may have, and what they then end in.
_ENDINGS = {
    "noun": "s: ses:s ves:f xes:x zes:z ches:ch shes:sh men:man ies:y",
    "verb": "s: ies:y es:e es: ed:e ed: ing:e ing:",
    "adj": "er: est: er:e est:e",
    "adv": "",
}
_NAMED = (("WNSEARCHDIR", ""), ("NLTK_DATA", "/corpora/wordnet"))
_PLACES = (
    "/usr/share/wordnet",
    "/usr/local/share/wordnet",
    "/usr/share/nltk_data/corpora/wordnet",
    "~/nltk_data/corpora/wordnet",
)


def folder() -> Path | None:
    """Where WordNet is, None where it is nowhere: $WNSEARCHDIR, $NLTK_DATA, and the usual places."""
    named = [os.environ[name] + rest for name, rest in _NAMED if os.environ.get(name)]
    for place in (*named, *_PLACES):
        path = Path(place).expanduser()
        if all((path / f"data.{part}").is_file() and (path / f"index.{part}").is_file() for part in _PARTS):
            return path
    return None


class WordNet:
    """Synonyms of a word, whatever its part of speech and its form."""

    def __init__(self, path: Path) -> None:
        self._rules = {part: [tuple(rule.split(":")) for rule in rules.split()] for part, rules in _ENDINGS.items()}
        self._index: dict[str, dict[str, list[int]]] = {}
        self._exceptions: dict[str, dict[str, list[str]]] = {}
        self._sets: dict[str, dict[int, list[str]]] = {}
        for part in _PARTS:
            self._index[part] = dict(_index(path / f"index.{part}"))
            self._exceptions[part] = {word: forms for word, *forms in map(str.split, _lines(path / f"{part}.exc"))}
            self._sets[part] = dict(_sets(path / f"data.{part}"))
        self.synonyms = lru_cache(maxsize=100_000)(self._synonyms)

    def _synonyms(self, word: str) -> frozenset[str]:
        """All single words that share a set of synonyms with `word`, which is among them if it is known."""
        found: set[str] = set()
        for part in _PARTS:
            for form in self._forms(word.lower(), part):
                for offset in self._index[part][form]:
                    found.update(self._sets[part][offset])
        return frozenset(found)

    def _forms(self, word: str, part: str) -> list[str]:
        """Words of the dictionary that `word` is a form of."""
        known = self._index[part]
        if word in self._exceptions[part]:
            return [form for form in dict.fromkeys([word, *self._exceptions[part][word]]) if form in known]
        forms = self._cut([word], part)
        found = [form for form in dict.fromkeys([word, *forms]) if form in known]
        while not found and forms:
            forms = self._cut(forms, part)
            found = [form for form in dict.fromkeys(forms) if form in known]
        return found

    def _cut(self, forms: list[str], part: str) -> list[str]:
        return [form[: -len(old)] + new for form in forms for old, new in self._rules[part] if form.endswith(old)]


@cache
def wordnet(path: Path) -> WordNet:
    """WordNet in a folder, read once: about two seconds and 100 MB."""
    return WordNet(path)


def _lines(path: Path) -> Iterator[str]:
    """Lines of a file of WordNet; those that begin with a blank are its licence."""
    if path.is_file():
        with path.open(encoding="utf-8") as file:
            yield from (line for line in file if not line.startswith(" "))


def _index(path: Path) -> Iterator[tuple[str, list[int]]]:
    for line in _lines(path):
        fields = line.split()
        # lemma, part of speech, number of synsets, ..., their offsets
        yield fields[0], [int(offset) for offset in fields[-int(fields[2]) :]]


def _sets(path: Path) -> Iterator[tuple[int, list[str]]]:
    for line in _lines(path):
        fields = line.split(" ", 4)
        # offset, file, part of speech, number of words in hexadecimal, then each word and its number
        entries = fields[4].split(" ", 2 * int(fields[3], 16))[:-1:2]
        yield int(fields[0]), [word.partition("(")[0] for word in entries if "_" not in word]
