"""Which prediction belongs to which truth: files and folders, matched by their place without suffix.

Knows: paths. Does not know: what is in files. Law: every file of a format that is taken is in a
pair, or a note says why it is not.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePath

from smoldocling.errors import UnusableInput

# What `convert` writes beside a document and is none.
_NO_DOCUMENT = (".report.html",)
_ARTIFACTS = "_artifacts"
# What a page looks like, the likeliest first.
IMAGES = (".pdf", ".png", ".jpg", ".jpeg", ".webp", ".tif", ".tiff")


@dataclass(frozen=True, slots=True)
class Pair:
    """One document. A side that is None is not there. `image` shows its pages."""

    name: str
    said: Path | None
    true: Path | None
    image: Path | None = None


@dataclass(frozen=True, slots=True)
class Pairs:
    """Documents by name; `notes` are lines for people about files that were left aside."""

    pairs: tuple[Pair, ...]
    notes: tuple[str, ...]


def pair(said: Path, true: Path, suffixes: Sequence[str], pages: Path | None = None) -> Pairs:
    """Pairs of a prediction and a truth, both files or both folders (or a file and a folder that has its partner).

    `suffixes` are those that are taken, the ones that say more first: of two files with one name the first is taken.
    `pages` is where the documents themselves are, if not beside either. Raises UnusableInput.
    """
    if said.is_file() and true.is_file():
        for path in (said, true):
            _taken(path, suffixes)
        images = [_image(path.with_suffix("")) for path in (true, said)]
        images.insert(0, _beside(pages, PurePath(true.stem)))
        return Pairs((Pair(true.stem, said, true, next(filter(None, images), None)),), ())
    ours, theirs = (_documents(path, suffixes) for path in (said, true))
    for one, many in ((said, theirs), (true, ours)):
        if one.is_file():
            name = _key(PurePath(one.stem))
            for other in [key for key in many if key != name]:
                del many[other]
    if not theirs and not ours:
        raise UnusableInput(f"{true}: nothing to score: files that end in {_listed(suffixes)} are taken")
    pairs = []
    aside: dict[tuple[str, str], list[str]] = {}
    for key in sorted(ours.keys() | theirs.keys()):
        a, b = _chosen(ours.get(key, []), theirs.get(key, []), aside)
        images = [_beside(pages, PurePath(key))]
        images += [_image(path.with_suffix("")) for path in (b, a) if path is not None]
        pairs.append(Pair(key, a, b, next(filter(None, images), None)))
    notes = [
        f"{taken} is taken, {others} beside it left aside: {_some(names)}" for (taken, others), names in aside.items()
    ]
    return Pairs(tuple(pairs), tuple(notes))


def _chosen(
    ours: Sequence[Path], theirs: Sequence[Path], aside: dict[tuple[str, str], list[str]]
) -> tuple[Path | None, Path | None]:
    """Of each side the file in a format that both have; else in the one that says most. Others go to `aside`."""
    common = [a for a in ours if any(a.suffix.lower() == b.suffix.lower() for b in theirs)]
    said = next(iter((*common, *ours)), None)
    same = [b for b in theirs if said is not None and b.suffix.lower() == said.suffix.lower()]
    true = next(iter((*same, *theirs)), None)
    for taken, paths in ((said, ours), (true, theirs)):
        if taken is not None and len(paths) > 1:
            others = ", ".join(path.suffix.lower() for path in paths if path != taken)
            aside.setdefault((taken.suffix.lower(), others), []).append(taken.name)
    return said, true


def _some(names: Sequence[str]) -> str:
    return ", ".join(names[:3]) + (f" and {len(names) - 3:,} more" if len(names) > 3 else "")


def _documents(root: Path, suffixes: Sequence[str]) -> dict[str, list[Path]]:
    """Files by name, those that say most first."""
    if root.is_file():
        _taken(root, suffixes)
        return {_key(PurePath(root.stem)): [root]}
    if not root.is_dir():
        raise UnusableInput(f"{root}: there is no such file or folder")
    found: dict[str, list[Path]] = {}
    for path in sorted(root.rglob("*")):
        inner = path.relative_to(root)
        hidden = any(part.startswith(".") or part.endswith(_ARTIFACTS) for part in inner.parts)
        if hidden or path.name.endswith(_NO_DOCUMENT) or path.suffix.lower() not in suffixes or not path.is_file():
            continue
        found.setdefault(_key(inner.with_suffix("")), []).append(path)
    for paths in found.values():
        paths.sort(key=lambda path: suffixes.index(path.suffix.lower()))
    return found


def _key(place: PurePath) -> str:
    return unicodedata.normalize("NFC", place.as_posix())


def _taken(path: Path, suffixes: Sequence[str]) -> None:
    if path.suffix.lower() not in suffixes:
        raise UnusableInput(f"{path}: files that end in {_listed(suffixes)} are taken")


def _listed(suffixes: Sequence[str]) -> str:
    return f"{', '.join(suffixes[:-1])} or {suffixes[-1]}"


def _beside(folder: Path | None, place: PurePath) -> Path | None:
    """The document of that name in a folder, whether or not its tree is mirrored there; or the file itself."""
    if folder is None or folder.is_file():
        return folder
    return _image(folder / place) or _image(folder / place.name)


def _image(stem: Path) -> Path | None:
    candidates = (stem.with_name(stem.name + suffix) for suffix in IMAGES)
    return next((path for path in candidates if path.is_file()), None)
