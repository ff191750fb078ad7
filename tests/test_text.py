"""`--text` from end to end: a real network that writes a fixed text, real PDFs, the library and the command line."""

from __future__ import annotations

import json
from pathlib import Path

import pymupdf
import pytest
from make import PROSE, pdf
from tiny import make_checkpoint
from typer.testing import CliRunner

from smoldocling.cli import app
from smoldocling.errors import UnusableOption
from smoldocling.pages import textlayer
from smoldocling.pipeline import Converter, TextName
from smoldocling.result import PageResult

# The pangram in two paragraphs; each token of a script may occur once only.
UPPER, LOWER = "The quick brown fox", "jumps over the lazy dog."
UPPER_BOX, LOWER_BOX = "<loc_60><loc_42><loc_440><loc_62>", "<loc_61><loc_162><loc_441><loc_182>"
RIGHT = f"<doctag><text>{UPPER_BOX}{UPPER}</text><paragraph>{LOWER_BOX}{LOWER}</paragraph></doctag>"
MISREAD = RIGHT.replace("brown", "brawn")
INVENTED = RIGHT.replace(LOWER, f"{LOWER} naïve café")
SWAPPED = f"<doctag><text>{LOWER_BOX}{UPPER}</text><paragraph>{UPPER_BOX}{LOWER}</paragraph></doctag>"
SCRIPTS = {"right": RIGHT, "misread": MISREAD, "invented": INVENTED, "swapped": SWAPPED}


def page_of(upper: str, lower: str) -> bytes:
    document = pymupdf.open()
    page = document.new_page(width=595, height=842)
    page.insert_textbox(pymupdf.Rect(72, 72, 523, 110), upper, fontsize=11)
    page.insert_textbox(pymupdf.Rect(72, 275, 523, 310), lower, fontsize=11)
    return document.tobytes()


PRINTED = page_of(UPPER, LOWER)
# A font whose codes are three letters off.
CIPHER = pdf("".join(chr((ord(char) - 97 + 3) % 26 + 97) if char.islower() else char for char in PROSE))


@pytest.fixture(scope="module")
def checkpoints(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    return {
        name: str(make_checkpoint(tmp_path_factory.mktemp(name), script=script, single_locs=True))
        for name, script in SCRIPTS.items()
    }


def read(checkpoint: str, data: bytes = PRINTED, text: TextName = "auto", limit: int | None = None) -> PageResult:
    converter = Converter(
        model=checkpoint,
        engine="transformers",
        splits=1,
        device="cpu",
        dtype="float32",
        text=text,
        max_new_tokens=limit,
        workers=0,
    )
    (page,) = converter.stream([data])
    return page


def texts(page: PageResult) -> list[str]:
    return [element.text for element in page.tree.elements]


@pytest.mark.parametrize("text", ["auto", "model", "page"])
def test_a_page_read_rightly_is_confirmed(checkpoints: dict[str, str], text: TextName) -> None:
    """All of it, and nothing is to be changed."""
    page = read(checkpoints["right"], text=text)
    assert page.raw == RIGHT
    assert (page.agreement, dict(page.scores), page.problems, page.note) == (1.0, {0: 1.0, 1: 1.0}, (), None)
    assert texts(page) == [UPPER, LOWER]


@pytest.mark.parametrize(("text", "word"), [("auto", "brown"), ("page", "brown"), ("model", "brawn")])
def test_a_misread_letter(checkpoints: dict[str, str], text: TextName, word: str) -> None:
    """Put right or not, as was asked for; the score says in any case that it was there."""
    page = read(checkpoints["misread"], text=text)
    assert texts(page) == [UPPER.replace("brown", word), LOWER]
    assert 0.9 < page.scores[0] < page.scores[1] == 1.0
    assert page.problems == ()
    assert page.raw == MISREAD


def test_invented_words(checkpoints: dict[str, str]) -> None:
    """Reported with their place in what the model wrote."""
    page = read(checkpoints["invented"])
    (problem,) = page.problems
    assert problem.kind == "invented"
    assert page.raw is not None
    assert page.raw[problem.start : problem.end] == "naïve café"
    assert page.agreement is not None
    assert page.agreement < 0.9


def test_swapped_boxes(checkpoints: dict[str, str]) -> None:
    """Both texts are on the page, but not where they are said to be."""
    page = read(checkpoints["swapped"], text="page")
    assert [problem.kind for problem in page.problems] == ["elsewhere", "elsewhere"]
    assert texts(page) == [UPPER, LOWER]


def test_a_page_that_is_cut_off_is_finished_from_its_text_layer(checkpoints: dict[str, str]) -> None:
    """It is still cut off; the model's part is scored as before."""
    page = read(checkpoints["right"], limit=11)
    assert page.status == "truncated"
    assert texts(page) == [UPPER, LOWER]
    assert page.error is not None
    assert page.error.endswith("; the rest is taken from the text layer")
    assert 1 not in page.scores
    assert texts(read(checkpoints["right"], text="model", limit=11))[1:] == []


def test_a_text_layer_without_sense_is_left_alone(checkpoints: dict[str, str]) -> None:
    """Where it cannot be right, nobody is compared with it."""
    page = read(checkpoints["right"], CIPHER, text="page")
    assert page.agreement is None
    assert page.note is not None
    assert texts(page) == [UPPER, LOWER]


def test_the_text_layer_is_read_once_a_page(checkpoints: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    """The check and the draft look at the same reading: it takes longer than both."""
    seen: list[int] = []
    before = textlayer.Reader.read

    def counted(self: textlayer.Reader, index: int) -> textlayer.Reading:
        seen.append(index)
        return before(self, index)

    monkeypatch.setattr(textlayer.Reader, "read", counted)
    read(checkpoints["right"], limit=11)
    assert seen == [0]


def test_text_is_one_of_three(checkpoints: dict[str, str]) -> None:
    """The message says which."""
    with pytest.raises(UnusableOption, match="auto, model, page"):
        read(checkpoints["right"], text="both")  # type: ignore[arg-type]


def test_the_command_line_says_it_all(checkpoints: dict[str, str], tmp_path: Path) -> None:
    """A line for each invention, scores in the summary, marks in the report."""
    (tmp_path / "page.pdf").write_bytes(PRINTED)
    options = ["--engine", "transformers", "--splits", "1", "--device", "cpu", "--dtype", "float32", "--json"]
    done = CliRunner().invoke(
        app,
        [
            *["convert", str(tmp_path / "page.pdf"), "-o", str(tmp_path), "--to", "report", "--to", "doctags"],
            *["--model", checkpoints["invented"], "--text", "page", *options],
        ],
    )
    assert done.exit_code == 0, done.stderr
    place = f"1:{INVENTED.index('naïve') + 1}"
    warning = f'page 1: {place}: warning: invented: paragraph: not on the page, and probably invented: "naïve café"'
    assert warning in done.stderr
    (page,) = json.loads(done.stdout)["documents"][0]["pages"]
    assert 0.7 < page["agreement"] < 1
    assert page["doubtful"] == [{"element": 1, "kind": "paragraph", "agreement": pytest.approx(0.7, abs=0.15)}]
    assert page["note"] is None
    report = (tmp_path / "page.report.html").read_text(encoding="utf-8")
    assert "of the text is in the file's text layer" in report
    assert "on the page: jumps over" in report
    assert "invented" in report
    assert LOWER in (tmp_path / "page.dt").read_text(encoding="utf-8")


def test_the_report_draws_doubtful_boxes_with_a_dashed_line(checkpoints: dict[str, str], tmp_path: Path) -> None:
    """And says why a text layer was left alone."""
    from smoldocling.report import to_report

    converter = Converter(
        model=checkpoints["right"], engine="transformers", splits=1, device="cpu", dtype="float32", text="model"
    )
    doubtful = to_report(converter.convert(page_of("An altogether other text is printed here", LOWER)))
    assert doubtful.count('class="box doubt"') == 1
    assert to_report(converter.convert(PRINTED)).count('class="box doubt"') == 0
    assert "the text layer is left alone" in to_report(converter.convert(CIPHER))
