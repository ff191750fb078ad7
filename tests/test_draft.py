"""A draft is what the model writes if the text layer is right: same tags, same white space, same ids."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pymupdf
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from make import PROSE, pdf
from tiny import TAGS, Style, make_checkpoint
from trees import pages as page_trees

import doctags
from doctags.tree import Box, Cell, Element, Page
from smoldocling import checkpoint
from smoldocling.draft import Draft, draft, pieces, spelt
from smoldocling.engine.speculate import Cursor
from smoldocling.pages.textlayer import Reader, Reading
from smoldocling.result import walk
from smoldocling.vocab import Vocab

STYLES: tuple[Style, ...] = ("smoldocling", "granite")
BOX = (Box(10, 20, 30, 40),)


@pytest.fixture(scope="module", params=STYLES)
def vocab(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Vocab:
    folder = make_checkpoint(tmp_path_factory.mktemp(request.param), style=request.param)
    return Vocab(checkpoint.read(folder, name="tiny"))


@pytest.fixture(scope="module")
def spelling(tmp_path_factory: pytest.TempPathFactory) -> Vocab:
    """A vocabulary that spells every tag from ordinary pieces."""
    return Vocab(checkpoint.read(make_checkpoint(tmp_path_factory.mktemp("spelling"), tags=False), name="tiny"))


def read(data: bytes | Path, index: int = 0) -> Reading:
    with pymupdf.open(data) if isinstance(data, Path) else pymupdf.open(stream=data, filetype="pdf") as document:
        return Reader(document).read(index)


def of(vocab: Vocab, data: bytes) -> Draft:
    made = draft(read(data), vocab)
    assert made is not None
    return made


def foretold(made: Draft, true: Sequence[int]) -> int:
    """How many ids of a true answer the engine's cursor on the draft says rightly before they are written."""
    cursor, written, right = Cursor(made.ids), list[int](), 0
    for token in true:
        right += tuple(cursor.ahead(1)) == (token,)
        written.append(token)
        cursor.see(written)
    return right


def elements(*found: Element) -> Page:
    return Page(found)


# --- ids ---


@given(tree=page_trees())
def test_a_draft_is_cut_into_ids_as_its_whole_text_is(vocab: Vocab, tree: Page) -> None:
    """Models learnt from texts that were tokenized as a whole: `><` between two locations is one id."""
    assume(all("<" not in text for part in walk(tree) for text in (part.text, *(cell.text for cell in part.cells))))
    text = doctags.write(tree)
    assert vocab.spell(pieces(text)) == vocab.encode(text)


def test_a_text_behind_a_tag_has_no_blank_before_it(vocab: Vocab) -> None:
    """A drafted ` Hello` where the model writes `Hello` would fail for every element."""
    ids = vocab.spell([("<text>", True), ("Hello 1,234", False), ("</text>", True)])
    assert ids == vocab.encode("<text>Hello 1,234</text>")


@given(text=st.text(st.sampled_from("ab 1<>_/") | st.characters()) | st.sampled_from(TAGS))
def test_plain_text_never_becomes_a_tag(vocab: Vocab, text: str) -> None:
    """A page about DocTags has `</doctag>` printed on it; as a tag it would end the draft."""
    special = {token for tag in (*TAGS, "<image>") for token in vocab.tag_ids(tag) if vocab.has(tag)}
    assert special.isdisjoint(vocab.plain(text))
    assert vocab.decode(vocab.plain(text)) == text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def test_what_is_printed_like_a_tag_is_drafted_as_text(vocab: Vocab) -> None:
    """Three ways to look like one: a DocTags tag, a class where none may stand, another token of the vocabulary."""
    made = of(
        vocab, pdf("The tag </doctag> ends a page, <line> is a plot, and <image> is no picture of anything at all.")
    )
    (closer,) = vocab.tag_ids("</doctag>")
    assert made.ids.count(closer) == 1
    assert made.ids[-1] == closer
    assert vocab.checkpoint.image_token_id not in made.ids
    assert "</doctag> ends a page, <line> is a plot, and <image> is" in vocab.decode(made.ids)


# --- spelling ---


def test_a_page_is_spelt_as_the_models_spell_it(vocab: Vocab) -> None:
    """Element by element on a line of its own; between tag and text nothing; SmolDocling begins with a blank."""
    tree = elements(
        Element("section_header", "Tides", BOX, level=2),
        Element("unordered_list", children=(Element("list_item", "one", BOX), Element("list_item", "two", BOX))),
        Element("text", "end", BOX),
    )
    loc = "<loc_10><loc_20><loc_30><loc_40>"
    lead = "" if vocab.has("<|start_of_role|>") else " "
    assert spelt(tree, vocab) == (
        f"{lead}<doctag><section_header_level_2>{loc}Tides</section_header_level_2>\n"
        f"<unordered_list><list_item>{loc}one</list_item>\n<list_item>{loc}two</list_item>\n</unordered_list>\n"
        f"<text>{loc}end</text>\n</doctag>"
    )


def test_cells_have_no_boxes_and_pictures_have_a_class(vocab: Vocab) -> None:
    """The text layer knows where each cell is, but no published model writes it; a class is always written."""
    cells = (Cell(0, 0, "a", box=BOX[0]), Cell(0, 1, "b", box=BOX[0]))
    text = spelt(elements(Element("otsl", boxes=BOX, cells=cells), Element("picture", boxes=BOX)), vocab)
    assert "<fcel>a<fcel>b<nl></otsl>" in text
    assert "<loc_40><other></picture>" in text


def test_signs_are_those_that_docling_writes(vocab: Vocab) -> None:
    """The models learnt from texts in which quotes are straight and powers on the line."""
    assert '"it\'s" 10-6 - ...' in spelt(elements(Element("text", "“it’s” 10⁻⁶ – …", BOX)), vocab)


def test_lists_in_lists_are_for_those_who_write_them(vocab: Vocab) -> None:
    """SmolDocling has flat lists only."""
    inner = Element("unordered_list", children=(Element("list_item", "deep", BOX),))
    tree = elements(Element("ordered_list", children=(Element("list_item", "top", BOX, children=(inner,)),)))
    text = spelt(tree, vocab)
    assert text.count("_list>") == (4 if vocab.has("<|start_of_role|>") else 2)
    assert text.index("top") < text.index("deep")


def test_tags_that_the_vocabulary_lacks_are_written_as_their_content(vocab: Vocab, spelling: Vocab) -> None:
    """A model never writes a tag that it was never shown; one that spells all tags may write any."""
    tree = elements(Element("group", children=(Element("text", "in a group", BOX),)))
    assert "group" not in spelt(tree, vocab).replace("in a group", "")
    assert "<group>" in spelt(tree, spelling)


@pytest.mark.parametrize("stem", ["report", "invoice"])
def test_drafts_of_the_samples_are_nearly_their_truth(vocab: Vocab, samples: Path, stem: str) -> None:
    """What a draft saves is what it foretells: nine of ten ids, in stretches."""
    for index, page in enumerate(doctags.parse((samples / f"{stem}.dt").read_text(encoding="utf-8")).pages):
        true = vocab.encode(doctags.write(page))
        made = draft(read(samples / f"{stem}.pdf", index), vocab)
        assert made is not None
        assert foretold(made, true) > 0.85 * len(true)


def test_drafts_of_doclings_documents_are_nearly_what_docling_writes(vocab: Vocab, shared_data: Path) -> None:
    """Its own DocTags are what the models were trained on."""
    for truth in sorted((shared_data / "docling").glob("*.dt")):
        for index, page in enumerate(doctags.parse(truth.read_text(encoding="utf-8")).pages):
            true = vocab.encode(doctags.write(page))
            made = draft(read(truth.with_suffix(".pdf"), index), vocab)
            assert made is not None
            assert foretold(made, true) > 0.8 * len(true), truth.name


# --- what else there is ---


def test_words_of_figures_are_extra_material(vocab: Vocab, samples: Path) -> None:
    """A model that reads a chart writes its labels, which stand in no element."""
    made = draft(read(samples / "report.pdf", 2), vocab)
    assert made is not None
    assert "Printed forms" in vocab.decode(made.extra)
    assert "Three habits" not in vocab.decode(made.extra)
    assert made.length == len(made.ids) + len(made.extra)


def test_a_page_that_is_mostly_picture_has_no_foreseeable_length(vocab: Vocab) -> None:
    """What is in the picture may be longer than all that the file says."""
    document = pymupdf.open(stream=pdf(PROSE), filetype="pdf")
    pixmap = pymupdf.Pixmap(pymupdf.csRGB, pymupdf.IRect(0, 0, 50, 50))
    for x in range(50):
        for y in range(50):
            pixmap.set_pixel(x, y, ((x * 37 + y * 91) % 256, (x * y) % 256, (x * 11) % 256))
    document[0].insert_image(pymupdf.Rect(72, 200, 523, 760), pixmap=pixmap)
    assert of(vocab, document.tobytes()).length is None
    assert of(vocab, pdf(PROSE)).length == len(of(vocab, pdf(PROSE)).ids)


def test_a_page_without_a_usable_text_layer_has_no_draft(vocab: Vocab) -> None:
    """A scan, a blank page, codes without meaning, a cipher."""
    document = pymupdf.open()
    document.new_page().insert_htmlbox((72, 72, 500, 140), "<p>" + "\ue123\ue124\ue125 " * 20 + "</p>")
    cipher = "".join(chr((ord(char) - 97 + 3) % 26 + 97) if char.islower() else char for char in PROSE)
    for data in (pdf(""), document.tobytes(), pdf(cipher)):
        assert draft(read(data), vocab) is None
    assert draft(replace(read(pdf(PROSE)), kind="scan"), vocab) is None


def test_a_draft_costs_milliseconds(vocab: Vocab, samples: Path) -> None:
    """The page's text layer is read once; the draft on top of it must not be felt. It takes 3 to 14 ms."""
    reading = read(samples / "report.pdf", 1)
    draft(reading, vocab)
    started = time.process_time()
    for _ in range(5):
        draft(reading, vocab)
    assert (time.process_time() - started) / 5 < 0.1
