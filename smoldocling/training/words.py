"""Text that nobody wrote: words, sentences, headings, figures, code and formulas, drawn from lists and small grammars.

Knows: a random number generator, the lists below, which the project made. Does not know: fonts, pages, tags.
"""

from __future__ import annotations

from random import Random

NOUNS = """
    account agency animal answer apple archive area arm article autumn ball bank basket beach bird board boat book
    border bottle box branch bread bridge budget building cable camera candle captain card castle cause cell centre
    chain chair chance change chapter child church circle city class clock cloud coast coffee column committee company
    corner cost country course cousin crowd current curve dance danger daughter decade degree desert design desk
    detail device dinner doctor door dozen dream drive dust eagle earth edge effect effort engine evening event
    example factor family farm father field figure film finger fire fish flag flight floor flower forest form fruit
    garden gate glass goal gold grain grass ground group guest guide habit half hand harbour harvest hat heart heat
    hill history home horse hotel hour house idea image index inch island item jacket joint journal judge jury
    kettle key kitchen knee knife ladder lake lamp land language law leaf letter level library light limit line
    list loan lunch machine magnet map margin market master matter meadow meal measure memory method metal middle
    mile milk mind mirror model moment money month moon morning mother motor mountain mouse museum music nail name
    needle nest night noise north note novel number oak ocean office oil orange orchard order oven owner page paint
    pair paper parcel park part path pattern pencil people phase phone photo piano picture pilot place plan planet
    plant plate pocket point pool port potato power price print prize proof queen question quiz radio rail rain
    range rate reason record region report rest result ring river road rock roof room root rope rule sail salt
    sample sand scale school science sea season seat seed series shade shape share sheep shelf ship shop shore
    silver sister size skill sky sleep snow soil song source south space speed spring square stage station steam
    steel step stone storm story street string study sugar summer sun surface survey table tailor task teacher team
    tenant test text theory ticket tide timber tool tower town track trade train tree tunnel turn uncle union unit
    valley value vessel village voice volume wagon walk wall water wave week weight west wheel wind window winter
    wire wood word work year yard youth zone
""".split()
VERBS = """
    adds asks bends brings builds buys calls carries changes checks clears closes counts covers crosses cuts draws
    drops ends enters fills finds follows forms gives grows helps holds joins keeps knows leads leaves lifts likes
    lists makes marks meets mends moves needs offers opens orders owns paints passes pays picks plans plants prints
    proves pulls pushes puts raises reaches reads rules saves seeks sells sends serves shows signs sorts starts
    stops takes teaches tests tracks trades turns uses visits warms washes watches wins writes
""".split()
ADJECTIVES = """
    active big black blue bold brave brief bright broad brown calm cheap clean clear cold common cool cosy daily dark
    dear deep dry dull early easy empty equal exact fair famous fast final fine firm first flat free fresh full
    gentle glad good grand great green grey happy hard heavy high hot huge ideal inner joint just keen kind large
    last late lazy lean light little local long loose loud low lucky main major many mild minor modern narrow near
    neat new next noble old open outer pale plain polite poor proud public pure quick quiet rapid rare raw ready
    real red rich right rough round royal rural safe sharp short silent simple slow small smart smooth soft solid
    spare steady stiff strange strict strong sunny sweet tall tame thick thin tidy tight tiny total true urban
    usual vague vast warm weak wet white whole wide wild wise yellow young
""".split()
LINKS = "and in of on to at by for from with near over under after before without between against".split()
ONSETS = "b bl br c ch cl cr d dr f fl g gl gr h j k kl l m n p pl pr qu r s sk sl sp st t th tr v w x y z".split()
NUCLEI = "a e i o u ai ea ee ia io oa oo ou ue".split()
CODAS = [
    "",
    "",
    "",
    "b",
    "ck",
    "d",
    "ft",
    "g",
    "k",
    "l",
    "lt",
    "m",
    "n",
    "nd",
    "p",
    "r",
    "rk",
    "s",
    "st",
    "t",
    "x",
    "z",
]
UNITS = "kg km cm mm ml h min USD EUR %".split()


def word(random: Random) -> str:
    """One small word: mostly from the lists, sometimes one that does not exist, so that letters have to be read."""
    return random.choice(random.choice((NOUNS, NOUNS, VERBS, ADJECTIVES))) if random.random() < 0.75 else coined(random)


def coined(random: Random) -> str:
    """A word of one to three syllables that no list holds."""
    syllables = random.choice((1, 2, 2, 3))
    return "".join(random.choice(ONSETS) + random.choice(NUCLEI) + random.choice(CODAS) for _ in range(syllables))


def number(random: Random) -> str:
    """A figure as tables and reports write them."""
    kind = random.randrange(6)
    if kind == 0:
        return str(random.randrange(10))
    if kind == 1:
        return str(random.randrange(10, 100))
    if kind == 2:
        return str(random.randrange(1900, 2100))
    if kind == 3:
        return f"{random.randrange(1000)}.{random.randrange(100):02}"
    if kind == 4:
        return f"{random.randrange(1, 999)},{random.randrange(1000):03}"
    return f"{random.randrange(1, 100)} {random.choice(UNITS)}"


def name(random: Random) -> str:
    """A word with a capital letter."""
    return word(random).capitalize()


def phrase(random: Random, least: int, most: int) -> str:
    """Some words in a row, the first with a capital: a heading, a caption, an item of a list."""
    words = [
        random.choice(LINKS) if spot > 0 and random.random() < 0.2 else word(random)
        for spot in range(random.randint(least, most))
    ]
    if random.random() < 0.15:
        words[-1] = number(random)
    words[0] = words[0].capitalize()
    return " ".join(words)


def sentence(random: Random, least: int = 3, most: int = 9) -> str:
    """A sentence that is one by its look."""
    words = clause(random)
    while len(words) < least or (len(words) < most and random.random() < 0.6):
        words += [random.choice(LINKS), *thing(random)]
    del words[most:]
    for spot in range(1, len(words) - 1):
        chance = random.random()
        if chance < 0.05:
            words[spot] += ","
        elif chance < 0.09:
            words[spot] = number(random)
        elif chance < 0.12:
            words[spot] = words[spot].capitalize()
        elif chance < 0.13:
            words[spot] = f"({words[spot]})"
    text = " ".join(words)
    return text[0].upper() + text[1:] + random.choice("......?!")


def clause(random: Random) -> list[str]:
    """Someone does something."""
    return [*thing(random), random.choice(VERBS), *thing(random)]


def thing(random: Random) -> list[str]:
    """Who or what, as words."""
    words = [random.choice(("the", "a", "this", "its", "every", "no"))] if random.random() < 0.7 else []
    if random.random() < 0.4:
        words.append(random.choice(ADJECTIVES))
    return [*words, word(random) if random.random() < 0.3 else random.choice(NOUNS)]
