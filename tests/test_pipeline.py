"""Every page that was asked for comes back exactly once, whatever happens to it, in bounded memory."""

from __future__ import annotations

import io
import itertools
import re
import threading
import time
from collections.abc import Iterable, Iterator
from pathlib import PurePath

import pytest
from make import PROSE, image, image_bytes, pdf
from tiny import make_checkpoint

import smoldocling
from smoldocling.desk import AHEAD, BEHIND
from smoldocling.engine.sequence import Generation, Request
from smoldocling.errors import NoCheckpoint, UnusableInput, UnusableOption
from smoldocling.pages import documents
from smoldocling.pages.sources import Source
from smoldocling.pipeline import Converter
from smoldocling.result import PageResult

# tiny.make_checkpoint wires a network to write this; each of its tokens may occur once only
SCRIPT = (
    "<doctag><title><loc_50><loc_60><loc_450><loc_90>Hello</title>"
    "<picture><loc_100><loc_101><loc_400><loc_300></picture>"
    "<text><loc_51><loc_310><loc_451><loc_401>quick</text></doctag>"
)


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory) -> str:
    """A real network that writes SCRIPT whatever it sees."""
    return str(make_checkpoint(tmp_path_factory.mktemp("checkpoint"), tile_px=64, script=SCRIPT, single_locs=True))


@pytest.fixture(scope="module")
def converter(checkpoint: str) -> Converter:
    return Converter(model=checkpoint, engine="transformers", splits=2, device="cpu", dtype="float32", text="model")


class Reluctant:
    """Takes pages three at a time and answers in reverse order; fails on every fourth."""

    name = "reluctant"

    def run(self, requests: Iterable[Request]) -> Iterator[Generation]:
        source = iter(requests)
        while batch := list(itertools.islice(source, 3)):
            for request in reversed(batch):
                if request.key % 4 == 3:
                    yield Generation(request.key, (), "error", 0, 0.0, "no luck")
                else:
                    yield Generation(request.key, request.ids[:3], "stop", 3, 0.0)


@pytest.fixture
def reluctant(converter: Converter, monkeypatch: pytest.MonkeyPatch) -> Converter:
    assert converter._reader is not None
    monkeypatch.setattr(converter._reader, "engine", Reluctant())
    monkeypatch.setattr(converter._desk, "keys", itertools.count())
    return converter


def test_pixels_in_documents_out(converter):
    """The whole road with a real network: tiles, prompt, ids, tree, every format."""
    result = converter.convert(pdf(PROSE, PROSE))
    assert [page.status for page in result.pages] == ["ok", "ok"]
    assert [page.engine for page in result.pages] == ["transformers", "transformers"]
    assert result.status == "ok"
    assert result.markdown.count("# Hello") == 2
    assert "quick" in result.text
    assert "data:image/png;base64," in result.html
    assert len(result.document.pictures) == 2
    assert result.document.pages[1].size.width == 595
    page = result.pages[0]
    assert page.tokens == page.steps > 20
    assert page.raw == SCRIPT
    # the network writes the same whatever it sees, and the page says something else
    assert {problem.kind for problem in page.problems} == {"invented"}
    assert page.agreement == 0


@pytest.mark.parametrize("form", ["path", "bytes", "stream", "PIL image", "image file"])
def test_takes_what_an_etl_job_has(converter, tmp_path, form):
    """A path, bytes, a binary file, a PIL image."""
    path = tmp_path / "x.pdf"
    path.write_bytes(pdf(PROSE))
    given = {
        "path": path,
        "bytes": path.read_bytes(),
        "stream": io.BytesIO(path.read_bytes()),
        "PIL image": image(),
        "image file": image_bytes("TIFF"),
    }[form]
    assert "Hello" in converter.convert(given).markdown


def test_a_page_cut_off_says_so_and_keeps_what_it_has(checkpoint):
    """Docling reports such a page as a success."""
    converter = Converter(
        model=checkpoint, engine="transformers", splits=1, device="cpu", dtype="float32", max_new_tokens=9
    )
    (page,) = converter.stream([image()])
    assert page.status == "truncated"
    assert page.error == "cut off after 9 tokens"
    assert page.tokens == 9
    assert page.tree.elements[0].text == "Hel", "the last ids of its limit close what is open"
    assert converter.convert(image()).status == "partial"


def test_a_blank_page_is_not_shown_to_the_model(converter):
    """It would invent something."""
    pages = converter.convert(pdf("", PROSE)).pages
    assert [page.status for page in pages] == ["blank", "ok"]
    assert pages[0].tree.elements == ()
    assert pages[0].tokens == 0


def test_every_page_comes_back_once_whatever_happens(reluctant):
    """Damaged files, locked files, pages that fail, documents of many sizes, answers out of order."""
    inputs = [
        pdf(PROSE, PROSE, PROSE, PROSE, PROSE),
        b"",
        pdf(PROSE),
        b"no document",
        pdf("", PROSE, ""),
        image_bytes("TIFF", image(), image(90, 80)),
        image_bytes("PNG", image(900, 900))[:2000],
        pdf(PROSE, password="x"),
        "/no/such/file.pdf",
    ]
    seen = [page.number for page in reluctant.stream(inputs)]
    assert sorted(seen) == sorted([1, 2, 3, 4, 5, 0, 1, 0, 1, 2, 3, 1, 2, 1, 0, 0])
    results = list(reluctant.documents(inputs))
    assert sorted(len(result.pages) for result in results) == [0, 0, 0, 0, 1, 1, 2, 3, 5]
    for result in results:
        assert [page.number for page in result.pages] == list(range(1, len(result.pages) + 1))


class Unruly(Reluctant):
    """Breaks its promises, one after the other."""

    def run(self, requests: Iterable[Request]) -> Iterator[Generation]:
        first, *rest = itertools.islice(requests, 5)
        yield Generation(first.key, first.ids[:3], "stop", 3, 0.0)
        yield Generation(first.key, first.ids[:3], "stop", 3, 0.0)
        yield Generation(10_000, (), "stop", 0, 0.0)
        if len(rest) > 2:
            raise RuntimeError("out of luck")


def test_an_unruly_engine_loses_no_page(reluctant, monkeypatch):
    """It answers twice, answers what nobody asked, leaves pages unanswered, raises."""
    monkeypatch.setattr(reluctant._reader, "engine", Unruly())
    pages = reluctant.convert(pdf(*[PROSE] * 13)).pages
    assert [page.number for page in pages] == list(range(1, 14))
    assert {page.status for page in pages} == {"ok", "failed"}
    errors = {page.error for page in pages if page.status == "failed"}
    assert any("RuntimeError: out of luck" in (error or "") for error in errors)
    assert "the engine gave no answer" in errors


def test_an_engine_that_never_starts_fails_every_page_and_ends(reluctant, monkeypatch):
    """The worst of them: it raises before it has taken anything."""

    class Dead(Reluctant):
        def run(self, requests: Iterable[Request]) -> Iterator[Generation]:
            raise RuntimeError("dead")
            yield

    monkeypatch.setattr(reluctant._reader, "engine", Dead())
    pages = list(itertools.islice(reluctant.stream([pdf(*[PROSE] * 3)] * 2), 10))
    assert [page.status for page in pages] == ["failed"] * 6


def test_inputs_that_raise_do_not_take_pages_with_them(reluctant):
    """What was read before is delivered, then the caller's own exception comes out."""

    def inputs():
        yield pdf(PROSE, PROSE)
        raise LookupError("the database went away")

    stream = reluctant.stream(inputs())
    assert sorted(page.number for page in itertools.islice(stream, 2)) == [1, 2]
    with pytest.raises(LookupError, match="database"):
        next(stream)


def test_a_flood_of_pictures_is_cut_out_once(reluctant, monkeypatch):
    """A model in a loop wrote this, and every picture cost a rendering of the page."""
    box = "<loc_0><loc_0><loc_500><loc_500>"
    same = f"<doctag>{f'<picture>{box}</picture>' * 300}</doctag>"
    monkeypatch.setattr(reluctant._reader.vocab, "decode", lambda _: same)
    page = reluctant.convert(pdf(PROSE)).pages[0]
    assert len(page.pictures) == 300
    assert len({id(crop) for crop in page.pictures.values()}) == 1
    moving = [f"<picture><loc_{n}><loc_0><loc_500><loc_500></picture>" for n in range(300)]
    monkeypatch.setattr(reluctant._reader.vocab, "decode", lambda _: f"<doctag>{''.join(moving)}</doctag>")
    page = reluctant.convert(pdf(PROSE)).pages[0]
    assert len(page.pictures) < 10
    assert page.problems[-1].kind == "too_many_pictures"


@pytest.mark.parametrize("engine", ["reluctant", "textlayer"])
def test_a_stream_left_half_way_closes_its_documents(reluctant, monkeypatch, engine):
    """The caller may have seen enough; the files must not stay open."""
    opened = []

    class Seen(documents.Document):
        def __init__(self, *arguments, **options):
            super().__init__(*arguments, **options)
            opened.append(self)

    monkeypatch.setattr(documents, "Document", Seen)
    converter = reluctant if engine == "reluctant" else Converter(engine="textlayer")
    converter._workers = 0
    stream = converter.stream([pdf(*[PROSE] * 9)])
    next(stream)
    assert [document._pdf.is_closed for document in opened] == [False]
    stream.close()
    assert [document._pdf.is_closed for document in opened] == [True]


def test_a_failed_page_leaves_a_visible_marker(reluctant):
    """In every format, so that nobody takes the document for complete."""
    result = reluctant.convert(pdf(*[PROSE] * 5))
    failed = [page for page in result.pages if page.status == "failed"]
    assert [page.error for page in failed] == ["no luck"]
    for text in (result.markdown, result.html, result.text, result.json, result.doctags):
        assert f"page {failed[0].number} is missing: no luck" in text
    assert result.status == "partial"


@pytest.mark.parametrize("begun", [False, True])
def test_a_stream_is_ended_by_another_thread(reluctant, begun):
    """A client hangs up, a deadline passes: whoever iterates may be waiting for an engine just then."""
    waiting = threading.Event()
    picture = image()

    def inputs() -> Iterator[object]:
        yield picture
        waiting.set()
        time.sleep(0.5 if begun else 0)
        yield from itertools.repeat(picture)

    with reluctant.stream(inputs()) as pages:
        if begun:
            threading.Thread(target=lambda: waiting.wait(10) and pages.stop()).start()
        else:
            pages.stop()
        count = sum(1 for _ in pages)
        assert pages.stopped
    assert count <= 1 if begun else count == 0
    names = {thread.name for thread in threading.enumerate()}
    assert not names & {"smoldocling-pages", "smoldocling-engine"}
    assert list(pages) == []


@pytest.mark.parametrize("fails", [False, True])
def test_an_endless_supply_is_read_no_faster_than_it_is_used(reluctant, fails):
    """Back-pressure: otherwise a long run ends in the memory of the machine."""
    taken = itertools.count()
    data = b"no document" if fails else pdf(PROSE)
    endless = (data for _ in taken)
    assert len(list(itertools.islice(reluctant.stream(endless), 20))) == 20
    assert next(taken) < 20 + 100


def test_documents_are_closed_when_their_pages_are_done(reluctant, monkeypatch):
    """Open files are counted, and a file that stays open cannot be deleted on Windows."""
    open_now, most = set(), 0
    original = documents.Document.close

    class Counted(documents.Document):
        def __init__(self, *arguments, **options):
            nonlocal most
            super().__init__(*arguments, **options)
            open_now.add(self)
            most = max(most, len(open_now))

        def close(self):
            open_now.discard(self)
            original(self)

    monkeypatch.setattr(documents, "Document", Counted)
    monkeypatch.setattr(reluctant, "_workers", 0)
    results = []
    for result in reluctant.documents([pdf(PROSE)] * 60):
        results.append(result)
        time.sleep(0.005)  # all ahead of the caller has the time to run into its limits
    assert len(results) == 60
    assert not open_now
    in_the_engine = 3
    assert 1 < most <= AHEAD + in_the_engine + BEHIND + in_the_engine


def test_the_text_layer_answers_without_a_checkpoint(tmp_path, monkeypatch):
    """`auto` on a closed network; images still need a model and say so."""
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setenv("HF_HOME", str(tmp_path))
    converter = Converter(model="nobody/no-such-model")
    assert converter.engine == "textlayer"
    assert "nobody/no-such-model" in (converter.without_model or "")
    result = converter.convert(pdf(PROSE))
    assert [page.status for page in result.pages] == ["textlayer"]
    assert "tide gauge" in result.markdown
    (page,) = converter.stream([image()])
    assert page.status == "failed"
    assert "nobody/no-such-model" in (page.error or "")
    with pytest.raises(NoCheckpoint, match="nobody/no-such-model"):
        Converter(model="nobody/no-such-model", engine="transformers")


def test_one_document_that_cannot_be_opened_is_an_exception():
    """`convert` has nothing else to give; `stream` and `documents` go on."""
    with pytest.raises(UnusableInput, match="no such file"):
        smoldocling.convert("/no/such/file.pdf", engine="textlayer")


@pytest.mark.parametrize(
    "options",
    [{"engine": "guess"}, {"splits": 0}, {"splits": 7}, {"pages": "x"}, {"max_new_tokens": 0}, {"batch_size": 0}],
)
def test_senseless_options_are_refused_before_anything_is_loaded(options):
    """With the choices in the message."""
    with pytest.raises(UnusableOption):
        Converter(**{"engine": "textlayer", **options})


def test_one_converter_serves_many_threads_and_streams(converter):
    """A server has one model. The pages of all are those that each gets alone, and no thread stays behind."""
    inputs = [pdf(PROSE, PROSE), image(), pdf("", PROSE), b"no document"]
    alone = sorted(map(essence, converter.stream(inputs)))
    together: list[list[tuple[object, ...]]] = [[], [], []]

    def work(n: int) -> None:
        together[n] = sorted(map(essence, converter.stream(inputs)))

    threads = [threading.Thread(target=work, args=(n,)) for n in range(3)]
    for thread in threads:
        thread.start()
    within = []
    for page in converter.stream(inputs):  # and in this thread one stream within another
        within.append(essence(page))
        assert "Hello" in converter.convert(image()).markdown
    for thread in threads:
        thread.join()
    assert [sorted(within), *together] == [alone] * 4
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("smoldocling")]


def test_options_may_differ_from_one_document_to_the_next_and_the_model_stays(converter):
    """A loaded model takes gigabytes; a server's clients want different things of the same one."""
    document = pdf(PROSE, PROSE, PROSE)
    second = converter.with_options(pages="2", page_images=True, timeout=5)
    assert second.reader is converter.reader
    (page,) = second.convert(document).pages
    assert page.number == 2
    assert page.image is not None
    assert [page.number for page in second.convert(document, pages=[1, 3]).pages] == [1, 3]
    assert [page.number for page in second.with_options(pages=None).convert(document).pages] == [1, 2, 3]
    assert [page.image for page in converter.convert(document).pages] == [None] * 3, "the first one is as it was"
    del converter
    assert second.convert(document).pages[0].status == page.status


@pytest.mark.parametrize("wishes", [{"pages": "x"}, {"text": "mine"}, {"timeout": 0}, {"timeout": "soon"}])
def test_senseless_options_of_one_document_are_refused_like_those_of_all(wishes):
    """In the words of the constructor."""
    made = Converter(engine="textlayer")
    with pytest.raises(UnusableOption) as other:
        Converter(engine="textlayer", **wishes)
    with pytest.raises(UnusableOption, match=re.escape(str(other.value))):
        made.convert(image(), **wishes)


def test_what_is_loaded_once_is_no_option_of_a_document():
    """Nobody shall believe that another model reads."""
    with pytest.raises(TypeError, match="device: takes a Converter of its own; pages, password"):
        Converter(engine="textlayer").with_options(device="cuda")


def essence(page: PageResult) -> tuple[object, ...]:
    return page.number, page.status, page.doctags, page.error or "", [crop.data for crop in page.pictures.values()]


def test_a_password_is_asked_for_in_the_callers_thread(checkpoint):
    """It has the terminal. Pages of other documents are on their way meanwhile."""
    asked_in = []

    def password(name: str) -> str:
        asked_in.append((name, threading.current_thread()))
        return "x"

    options = {"engine": "transformers", "splits": 1, "device": "cpu", "dtype": "float32", "max_new_tokens": 3}
    converter = Converter(model=checkpoint, password=password, **options)
    pages = list(converter.stream([pdf(PROSE), pdf(PROSE, password="x"), pdf(PROSE, password="y")]))
    assert sorted(page.status for page in pages) == ["failed", "truncated", "truncated"]
    assert asked_in == [("<bytes>", threading.current_thread())] * 2


def test_pages_are_made_while_the_model_works_and_read_while_it_works(reluctant, monkeypatch):
    """The model never stands still for a page that could have been drawn before."""
    drawn_during, go_on = threading.Semaphore(0), threading.Event()
    original = reluctant._reader.request

    def request(key, cut, reading):
        made = original(key, cut, reading)
        drawn_during.release()
        return made

    class Slow(Reluctant):
        def run(self, requests: Iterable[Request]) -> Iterator[Generation]:
            source = iter(requests)
            first = next(source)
            assert all(drawn_during.acquire(timeout=20) for _ in range(1 + AHEAD))
            yield Generation(first.key, first.ids[:3], "stop", 3, 0.0)
            assert go_on.wait(20), "the first page is with the caller while the second is being written"
            yield from (Generation(request.key, request.ids[:3], "stop", 3, 0.0) for request in source)

    monkeypatch.setattr(reluctant._reader, "request", request)
    monkeypatch.setattr(reluctant._reader, "engine", Slow())
    pages = reluctant.stream(pdf(*[PROSE] * 8))
    assert next(pages).number == 1
    go_on.set()
    assert len(list(pages)) == 7


@pytest.mark.parametrize("engine", ["textlayer", "reluctant"])
def test_pages_that_are_done_elsewhere_are_skipped(reluctant, engine):
    """A large run that was cut off goes on with the page that it had come to; each page tells how many there are."""
    source = Source("long.pdf", PurePath("long"), pdf(*[PROSE] * 6), skip=frozenset({1, 2, 5}))
    converter = reluctant if engine == "reluctant" else Converter(engine="textlayer")
    pages = list(converter.stream([source, pdf(PROSE)]))
    assert sorted((page.source, page.number, page.of) for page in pages) == [
        ("<bytes>", 1, 1),
        ("long.pdf", 3, 6),
        ("long.pdf", 4, 6),
        ("long.pdf", 6, 6),
    ]


def test_a_document_can_be_given_up_on_the_way():
    """Whoever was interrupted takes what is in hand and no more."""
    done: set[int] = set()
    source = Source("long.pdf", PurePath("long"), pdf(*[PROSE] * 60), skip=done)
    stream = Converter(engine="textlayer", workers=2).stream([source])
    next(stream)
    done.update(range(1, 61))
    assert len(list(stream)) < 40


def test_pages_of_a_stream_bring_the_warnings_about_their_document():
    """There is no Result that could have them."""
    cut = pdf(*[f"{PROSE} {n}" for n in range(9)])[:-400]
    assert all("cut short" in page.warnings[0] for page in Converter(engine="textlayer").stream([cut]))
