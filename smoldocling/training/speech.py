"""What the richer pages say: sentences with names, figures, quotes, foreign letters; captions, addresses, references.

Knows: a random number generator, the lists and small grammars of words. Does not know: fonts, pages, tags.
"""

from __future__ import annotations

from collections.abc import Callable
from random import Random

from smoldocling.training import words

MONTHS = "January February March April May June July August September October November December".split()
SIGNS = "•–—’‘“”…·§°±×²³€£†‡àâáäåéèêíöóøüúñçÀÂÁÄÅÉÈÊÍÖÓØÜÚÑÇ"
"""What is written beside the printable characters of ASCII: a font must have them all."""

ACCENTED = {"a": "àâáäå", "e": "éèê", "i": "í", "o": "öóø", "u": "üú", "n": "ñ", "c": "ç"}


def _compound(random: Random) -> str:
    return f"{random.choice(words.ADJECTIVES)}-{random.choice(words.NOUNS)}"


def _foreign(random: Random) -> str:
    letters = list(words.coined(random))
    spots = [spot for spot, letter in enumerate(letters) if letter in ACCENTED]
    for spot in random.sample(spots, min(len(spots), random.choice((1, 1, 2)))):
        letters[spot] = random.choice(ACCENTED[letters[spot]])
    return "".join(letters)


def _letters(random: Random) -> str:
    return "".join(random.choices("ABCDEFGHIJKLMNOPQRSTUVWXYZ", k=random.randint(2, 5)))


def _part(random: Random) -> str:
    return f"{_letters(random)}-{random.randrange(10000)}"


def _quoted(random: Random) -> str:
    left, right = random.choice(("“”", "‘’", '""', "''", "()", "[]"))
    return f"{left}{random.choice(words.ADJECTIVES)} {random.choice(words.NOUNS)}{right}"


def _owned(random: Random) -> str:
    return random.choice(words.NOUNS) + random.choice("’'") + "s"


def _money(random: Random) -> str:
    return (
        random.choice("$€£") + f"{random.randrange(1, 100_000):,}" + random.choice(("", f".{random.randrange(100):02}"))
    )


def _share(random: Random) -> str:
    return f"{random.randrange(1000) / 10}%" if random.random() < 0.5 else f"{random.randrange(101)}%"


def _spread(random: Random) -> str:
    return f"{random.randrange(1000) / 10} ± {random.randrange(100) / 10}"


def _times(random: Random) -> str:
    return f"{random.randrange(2, 100)} × {random.randrange(2, 100)}"


def _warmth(random: Random) -> str:
    return f"{random.randrange(-30, 200)} °C".replace("-", "–")


def _area(random: Random) -> str:
    return f"{random.randrange(1, 1000)} {random.choice(('m²', 'm³', 'km²'))}"


def _link(random: Random) -> str:
    return f"www.{words.coined(random)}.{random.choice(('org', 'com', 'net'))}/{random.choice(words.NOUNS)}"


def _mail(random: Random) -> str:
    return (
        f"{words.coined(random)}.{words.coined(random)}@{words.coined(random)}.{random.choice(('org', 'com', 'net'))}"
    )


def _source(random: Random) -> str:
    return random.choice((f"[{random.randrange(1, 60)}]", f"({_surname(random)}, {random.randrange(1950, 2030)})"))


def _pointer(random: Random) -> str:
    what = random.choice(("Table", "Figure", "Fig.", "Section", "§", "page", "Eq."))
    return f"{what} {random.randrange(1, 30)}"


def _hour(random: Random) -> str:
    return f"{random.randrange(24)}:{random.randrange(60):02}"


def _sum(random: Random) -> str:
    return f"{random.choice('abcnmxyzNK')} {random.choice('=<>')} {random.randrange(1000)}"


def _surname(random: Random) -> str:
    return (_foreign(random) if random.random() < 0.2 else words.coined(random)).capitalize()


def person(random: Random) -> str:
    """A name of someone who is not there."""
    first = words.coined(random).capitalize() if random.random() < 0.5 else f"{random.choice('ABCDEFGHIJKLMNOPRSTVW')}."
    return f"{first} {_surname(random)}"


def date(random: Random) -> str:
    """A day."""
    year, month, day = random.randrange(1950, 2030), random.randrange(12), random.randrange(1, 29)
    return random.choice(
        (
            f"{day} {MONTHS[month]} {year}",
            f"{MONTHS[month]} {day}, {year}",
            f"{year}-{month + 1:02}-{day:02}",
            f"{day:02}/{month + 1:02}/{year}",
            f"{MONTHS[month]} {year}",
        )
    )


RARE: dict[Callable[[Random], str], int] = {
    _compound: 6,
    _foreign: 4,
    _letters: 5,
    _part: 2,
    _quoted: 5,
    _owned: 5,
    _money: 3,
    _share: 4,
    _spread: 2,
    _times: 1,
    _warmth: 1,
    _area: 1,
    _link: 1,
    _mail: 1,
    _source: 5,
    _pointer: 4,
    _hour: 1,
    _sum: 1,
    words.number: 8,
    date: 2,
    person: 3,
}
"""What stands among plain words, and how often."""


def statement(random: Random) -> str:
    """A sentence of a longer text: with names, figures, quotes, brackets, and words that no list holds."""
    most = random.choice((8, 14, 20, 28))
    parts = words.clause(random)
    while len(parts) < most and random.random() < 0.88:
        joint = random.random()
        if joint < 0.12:
            parts[-1] += random.choice((",", ",", ",", ";", ":", " –", " —"))
            parts += words.clause(random)
        else:
            parts += [random.choice(words.LINKS), *words.thing(random)]
    kinds, weights = list(RARE), list(RARE.values())
    for spot in range(1, len(parts)):
        if random.random() < 0.1 and parts[spot].isalpha():
            parts[spot] = random.choices(kinds, weights)[0](random)
    text = " ".join(parts)
    return text[0].upper() + text[1:] + random.choice("........?!…")


def heading(random: Random) -> str:
    """What stands over a section."""
    text = words.phrase(random, 1, random.choice((3, 5, 8)))
    style = random.random()
    if style < 0.25:
        text = " ".join(part if part in words.LINKS else part.capitalize() for part in text.split(" "))
    elif style < 0.33:
        text += random.choice(
            (f": {words.phrase(random, 1, 3)}", f" ({_letters(random)})", "?", f" – {words.phrase(random, 1, 3)}")
        )
    return text


def entry(random: Random) -> str:
    """An item of a list: some words, a sentence, or a word that is explained."""
    kind = random.random()
    if kind < 0.45:
        return words.phrase(random, 2, 8) + random.choice(("", ".", ";"))
    if kind < 0.85:
        return statement(random)
    return f"{words.phrase(random, 1, 3)}: {statement(random)}"


def address(random: Random) -> str:
    """Where someone can be reached."""
    kind = random.randrange(3)
    if kind == 0:
        return (
            f"{words.name(random)} {random.choice(('University', 'Institute', 'Works', 'Archive'))}, {_surname(random)}"
        )
    if kind == 1:
        street = f"{random.randrange(1, 300)} {words.name(random)} Street"
        return f"{street}, {random.randrange(10000, 99999)} {_surname(random)}"
    return _mail(random)


def caption(random: Random) -> str:
    """What is said of a figure or table."""
    text = words.phrase(random, 2, 9)
    if random.random() < 0.4:
        return f"{text}. {statement(random)}"
    return text + random.choice(("", "."))


def reference(random: Random) -> str:
    """A work that nobody wrote, as lists of references name them."""
    people = ", ".join(person(random) for _ in range(random.randint(1, 4)))
    title = words.phrase(random, 3, 9)
    first = random.randrange(1, 900)
    journal = f"{words.name(random)} {words.name(random)} {random.randrange(1, 90)}"
    where = f"{journal}, {first}–{first + random.randrange(2, 30)}"
    return f"{people}. {title}. {where}, {random.randrange(1950, 2030)}."


def value(random: Random) -> str:
    """A figure in a table."""
    kind = random.randrange(8)
    if kind < 3:
        return words.number(random)
    if kind == 3:
        return random.choice((_share, _money, _spread, _hour))(random)
    if kind == 4:
        return f"{random.choice(('', '–', '+'))}{random.randrange(1000) / 100:.2f}"
    if kind == 5:
        return f"{random.randrange(10_000_000):,}"
    if kind == 6:
        return f"0.{random.randrange(1000):03}"
    return random.choice((date, _part, _times))(random)
