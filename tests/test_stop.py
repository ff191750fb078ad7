"""Runaways are stopped soon, and nothing else is: what a page may repeat, it may repeat."""

import random
import re
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from vocabs import SHAPES, vocab_of

import doctags
from smoldocling.engine.stop import COPIES, EVERY, MAX_PERIOD, MIN_IDS, Closed, Stop, Watch
from smoldocling.loops import Reading, keep
from smoldocling.pieces import Pieces
from smoldocling.vocab import Vocab

# The promise: so many ids behind the third copy, a loop has been stopped.
SOON = 200


class Deaf:
    """A reader that reads nothing and grants nothing."""

    def read(self, token: int) -> Iterable[Closed]:
        return ()

    def patience(self, unit: object) -> tuple[int, int]:
        return COPIES, MIN_IDS

    def ending(self, index: int) -> int | None:
        return None


def tail_of(ids: list[int]) -> int | None:
    """The slow truth: where the second copy begins, if the ids end in a loop."""
    for period in range(1, MAX_PERIOD + 1):
        length = 0
        while length + period < len(ids) and ids[-1 - length] == ids[-1 - length - period]:
            length += 1
        if length and length + period >= max(COPIES * period, MIN_IDS):
            return len(ids) - length
    return None


@st.composite
def stuttering(draw: st.DrawFn) -> list[int]:
    """Few different ids, and stretches of them again and again."""
    ids: list[int] = []
    for _ in range(draw(st.integers(1, 6))):
        unit = draw(st.lists(st.integers(0, 3), min_size=1, max_size=40))
        ids += unit * draw(st.integers(1, 8))
    return ids


@given(stuttering(), st.data())
def test_the_tail_is_judged_as_one_look_at_all_ids_would(ids: list[int], data: st.DataObject) -> None:
    """Looking at each id must not mean to look at all before it; nor may it matter how many come at once."""
    ends = [end for end in range(EVERY, len(ids) + 1, EVERY) if tail_of(ids[:end]) is not None]
    cuts = sorted(data.draw(st.lists(st.integers(0, len(ids)), max_size=5)))
    watch = Watch(Deaf())
    stop = None
    for start, end in zip([0, *cuts], [*cuts, len(ids)], strict=True):
        stop = stop or watch.see(ids[start:end])
    if not ends:
        assert stop is None
    else:
        assert stop is not None
        assert watch.seen == ends[0]
        assert stop.start == tail_of(ids[: ends[0]])


@given(st.integers(1, 500), st.integers(0, 600))
def test_an_answer_far_longer_than_its_page_is_stopped(most: int, length: int) -> None:
    """The page has no text for more; what was allowed is kept."""
    stop = Watch(Deaf(), most).see(range(length))
    assert (stop is not None) == (length > most)
    assert stop is None or (stop.kind, stop.start) == ("long", most)


def blocks(elements: list[Closed]) -> bool:
    """The slow truth for elements that stand still: whether the list ends in three equal blocks."""
    keys = [(closed.look, closed.numbers, closed.place) for closed in elements]
    return any(
        len(keys) >= COPIES * size and all(keys[-1 - at] == keys[-1 - at - size] for at in range((COPIES - 1) * size))
        for size in range(1, 9)
    )


class Told:
    """A reader that is told what each id closes."""

    def __init__(self, closed: list[Closed]) -> None:
        self._closed = closed

    def read(self, token: int) -> Iterable[Closed]:
        return (self._closed[token],)

    def patience(self, unit: object) -> tuple[int, int]:
        return COPIES, 10**6

    def ending(self, index: int) -> int | None:
        return None


@given(st.lists(st.sampled_from("aaabc"), max_size=40))
def test_elements_that_come_a_third_time_in_the_same_place_stop_the_answer(looks: list[str]) -> None:
    """Nothing stands in one place three times."""
    made = [Closed(at, at + 1, look, (), (1, 2, 3, 4)) for at, look in enumerate(looks)]
    watch = Watch(Told(made))
    stop = watch.see(range(len(made)))
    ends = [end for end in range(1, len(made) + 1) if blocks(made[:end])]
    assert (stop is not None) == bool(ends)
    if stop:
        assert watch.seen == ends[0]


# --- scripts of models that loop ---


def lines(text: str) -> Callable[[int], str]:
    return lambda at: text


def element(number: int, step: int, text: str = "The same words, further down the page.") -> str:
    top = (20 + step * number) % 480
    return f"<text><loc_30><loc_{top}><loc_470><loc_{top + 10}>{text}</text>\n"


START = (
    "<doctag><section_header_level_1><loc_30><loc_5><loc_200><loc_15>A heading</section_header_level_1>\n"
    "<text><loc_30><loc_17><loc_400><loc_19>Some words that are said once.</text>\n"
)
LOOPS: dict[str, tuple[str, Callable[[int], str]]] = {
    "a token": ("<text>And so ", lines(" on")),
    "a dot": ("<text>And so ", lines(".")),
    "a half of a word": ("<text>", lines("ab")),
    "a line": ("<text>", lines("All work and no play makes Jack a dull boy.\n")),
    "a line of code": ("<code><_Python_>", lines("    x = x + 1\n")),
    "a tag": ("", lines("<text></text>\n")),
    "an element in its place": ("", lambda at: element(1, 0)),
    "an element that moves": ("", lambda at: element(at, 11)),
    "an element that moves and jumps back": ("", lambda at: element(at, 40)),
    "an element that moves by half steps": ("", lambda at: element(1, 0).replace("31", str(31 + at * 17 // 2 % 400))),
    "a short element that moves": ("", lambda at: element(at, 11, "No")),
    "a counter": ("", lambda at: element(at, 11, f"Item {at + 1} of the list")),
    "a counter in its place": ("", lambda at: element(1, 0, f"Figure 3.{at + 1}")),
    "a counter that runs down": ("", lambda at: element(at, 11, f"{900 - 5 * at}")),
    "items": ("<unordered_list>", lambda at: f"<list_item><loc_1><loc_{at}><loc_9><loc_{at + 7}>Once more</list_item>"),
    "numbered items": ("<ordered_list>", lambda at: f"<list_item>Step {at}</list_item>"),
    "two elements in turn": ("", lambda at: element(at, 8, "This one, ") + element(at, 8, "and then that one.")),
    "pictures in one place": ("", lines("<picture><loc_1><loc_1><loc_500><loc_500><other></picture>")),
    "a list in a list": ("", lines("<unordered_list><list_item>again</list_item></unordered_list>\n")),
}


@pytest.fixture(scope="module", params=SHAPES, ids=str)
def vocab(request: pytest.FixtureRequest) -> Vocab:
    return vocab_of(request.param)


@pytest.fixture(scope="module")
def pieces(vocab: Vocab) -> Pieces:
    return Pieces(vocab)


@pytest.mark.parametrize("name", LOOPS)
def test_a_loop_is_stopped_soon_and_one_copy_of_it_is_kept(name: str, vocab: Vocab, pieces: Pieces) -> None:
    """The best known failure of these models: minutes of the same, until the limit."""
    head, unit = LOOPS[name]
    copies = [vocab.encode(unit(at)) for at in range(300)]
    before = [*vocab.encode(START + head)]
    ids = before + [token for copy in copies for token in copy]
    watch = Watch(Reading(pieces))
    stop = watch.see(ids)
    assert stop is not None
    assert stop.kind == "repeated"
    third = len(before) + sum(map(len, copies[:3]))
    assert watch.seen <= third + SOON
    assert len(before) <= stop.start
    assert stop.start <= len(before) + 2 * max(map(len, copies[:3]))
    good = keep(vocab.decode(ids[: stop.start]))
    assert good.startswith(START.rstrip())
    assert doctags.parse(good).problems == ()
    assert not unit(0).startswith("<") or unit(0).strip() in good


def real_texts(folder: Path) -> Iterator[str]:
    for path in sorted([*folder.glob("doctags/*.dt"), *folder.glob("docling/*.dt")]):
        text = path.read_text(encoding="utf-8")
        yield text
        yield re.sub("<loc_[0-9]+>", "", text)


def test_no_real_page_is_stopped(shared_data: Path, vocab: Vocab, pieces: Pieces) -> None:
    """A page that is cut off for a table of zeros is worse than a loop that runs a little longer."""
    for text in real_texts(shared_data):
        assert Watch(Reading(pieces)).see(vocab.encode(text)) is None


WORDS = ("cut", "fold", "glue", "press", "wait", "paint", "cut again", "fold again", "look", "rest")


def column(inner: str, count: int) -> str:
    """Elements one below the other, at even distances."""
    places = (f"<loc_9><loc_{at * 20}><loc_20><loc_{at * 20 + 9}>" for at in range(count))
    return "".join(inner.replace("@", place) for place in places)


PAGES = {
    "zeros": "<otsl>" + ("<fcel>0" * 8 + "<nl>") * 40 + "</otsl>",
    "an empty form": "<otsl><loc_1><loc_2><loc_3><loc_4>" + ("<ecel>" * 12 + "<nl>") * 45 + "</otsl>",
    "a calendar": "<otsl>" + ("<fcel>-" * 31 + "<nl>") * 12 + "</otsl>",
    "contents": "".join(f"<text>Chapter {at} {'. ' * 60}{at * 7}</text>" for at in range(1, 9)),
    "a line to write on": f"<text>Name: {'_' * 120}</text>",
    "boxes to tick": column("<text>@Yes</text>", 5),
    "icons": column("<picture>@<icon></picture>", 20),
    "a matrix": "<formula>\\begin{matrix} " + "0 & 0 & 0 & 0 \\\\ " * 5 + "\\end{matrix}</formula>",
    "steps": "<ordered_list>" + "".join(f"<list_item>Step {at}: {word}</list_item>" for at, word in enumerate(WORDS)),
}


@pytest.mark.parametrize("name", PAGES)
def test_what_pages_repeat_is_no_loop(name: str, vocab: Vocab, pieces: Pieces) -> None:
    """Tables, forms and tables of contents say the same many times."""
    assert Watch(Reading(pieces)).see(vocab.encode(f"<doctag>{PAGES[name]}</doctag>")) is None


def test_a_table_that_does_not_end_is_stopped_and_keeps_its_rows(vocab: Vocab, pieces: Pieces) -> None:
    """Much later than prose, but before any limit."""
    ids = vocab.encode(START + "<otsl><ched>a<ched>b<nl>" + "<fcel>1<fcel>2<nl>" * 500)
    stop = Watch(Reading(pieces)).see(ids)
    assert stop is not None
    page = doctags.parse(keep(vocab.decode(ids[: stop.start])))
    assert page.problems == ()
    assert page.pages[0].elements[-1].kind == "otsl"
    assert page.pages[0].elements[-1].rows == 2


def test_text_within_a_cell_loops_like_any_other(vocab: Vocab, pieces: Pieces) -> None:
    """The patience that tables have is for rows and cells."""
    before = vocab.encode("<doctag><otsl><fcel>")
    watch = Watch(Reading(pieces))
    assert watch.see([*before, *vocab.encode(" again and" * 60)]) is not None
    assert watch.seen < len(before) + MIN_IDS + 3 * EVERY


@given(seed=st.integers(0, 10**6))
def test_ids_that_mean_nothing_do_no_harm(seed: int) -> None:
    """A model may write anything."""
    dice = random.Random(seed)
    watch = Watch(Reading(Pieces(vocab_of(SHAPES[0]))))
    for _ in range(30):
        stop = watch.see(dice.choices([*range(-2, 700), 10**9], k=dice.randrange(9)))
        assert stop is None or isinstance(stop, Stop)


# --- the good part ---


@pytest.mark.parametrize(
    ("text", "good"),
    [
        ("", ""),
        ("no tags at all", ""),
        ("<doctag>", "<doctag></doctag>"),
        ("<doctag><text>not yet", "<doctag></doctag>"),
        ("<doctag><text>a</text><text>b", "<doctag><text>a</text></doctag>"),
        ("<doctag><text>a</text></doctag>", "<doctag><text>a</text></doctag>"),
        (
            "<doctag><unordered_list><list_item>a</list_item>\n<list_item>b",
            "<doctag><unordered_list><list_item>a</list_item></unordered_list></doctag>",
        ),
        ("<doctag><text>a</text><unordered_list><list_item>b", "<doctag><text>a</text></doctag>"),
        (
            "<doctag><ordered_list><list_item>a<unordered_list><list_item>b</list_item><list_item>c",
            "<doctag><ordered_list><list_item>a<unordered_list><list_item>b</list_item></unordered_list></list_item>"
            "</ordered_list></doctag>",
        ),
        ("<doctag><otsl><fcel>a<nl><fcel>b", "<doctag><otsl><fcel>a<nl></otsl></doctag>"),
        ("<doctag><text>x</text><otsl><loc_1><fcel>b", "<doctag><text>x</text></doctag>"),
        ("<doctag><otsl><fcel>a<nl><fcel>b<text>c</text>", "<doctag><otsl><fcel>a<nl></otsl></doctag>"),
        ("<doctag><text>a<inline><text>b</text></inline>", "<doctag></doctag>"),
        ("<doctag><text>a</text><page_break><text>b", "<doctag><text>a</text><page_break></doctag>"),
        ("<doctag><code><table><b></table>", "<doctag></doctag>"),
        ("<doctag><text>a<text>b</text><text>c", "<doctag><text>a<text>b</text></doctag>"),
        ("<doctag><text>a</text><te", "<doctag><text>a</text></doctag>"),
        ("<doctag><text>a</text>astray", "<doctag><text>a</text></doctag>"),
        (
            "<doctag><list_item>a</list_item><list_item>b</list_item><list_item>c",
            "<doctag><list_item>a</list_item><list_item>b</list_item></doctag>",
        ),
        (
            "<doctag><picture><loc_1><loc_2><loc_3><loc_4><caption>a</caption>",
            "<doctag><picture><loc_1><loc_2><loc_3><loc_4><caption>a</caption></picture></doctag>",
        ),
    ],
)
def test_what_is_kept_ends_with_the_last_thing_that_was_finished(text: str, good: str) -> None:
    """A half of an element may be the beginning of the loop."""
    assert keep(text) == good
