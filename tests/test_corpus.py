"""`smoldocling corpus` as its users meet it: what is written, what is said, and what an interruption changes."""

from __future__ import annotations

import io
import json
import os
import random
import signal
import tarfile
import time

import pytest
from crawl import HERE, corpus, documents, killed, papers, rows, started, wait_for, written
from make import PROSE, image, image_bytes, pdf
from typer.testing import CliRunner

from smoldocling.cli import app

COLUMNS = "path hash page status reason engine doctags markdown problems agreement versions".split()


@pytest.fixture
def folder(tmp_path):
    """Three good documents, one of them twice, and two bad ones."""
    source = papers(tmp_path / "in", 2, 3)
    (source / "scan.png").write_bytes(image_bytes("PNG", image()))
    return source


def test_a_page_is_a_row_and_a_document_is_a_row(tmp_path, folder):
    """What ETL users build on: names of columns, one row a page, page 0 for what cannot be opened."""
    out = tmp_path / "out"
    result = corpus(folder, "-o", out, *HERE)
    assert result.exit_code == 1, result.stderr
    pages = rows(out)
    assert list(pages[0]) == COLUMNS
    assert [(os.path.basename(row["path"]), row["page"], row["status"]) for row in pages] == [
        ("damaged.pdf", 0, "failed"),
        *[("paper-000-again.pdf", number, "textlayer") for number in (1, 2, 3)],
        *[("paper-000.pdf", number, "textlayer") for number in (1, 2, 3)],
        *[("paper-001.pdf", number, "textlayer") for number in (1, 2, 3)],
        ("scan.png", 1, "failed"),
    ]
    assert pages[0]["reason"].startswith("damaged PDF")
    assert pages[0]["doctags"] is None
    assert "tide gauge" in pages[1]["markdown"]
    assert pages[1]["doctags"].startswith("<doctag>")
    assert pages[1]["hash"] == pages[4]["hash"] != pages[7]["hash"]
    assert "pymupdf" in pages[1]["versions"]
    assert "[page 1 is missing" in pages[-1]["markdown"], "a marker stands where a page is missing"
    table = documents(out)
    assert [row["status"] for row in table] == ["failed", "ok", "ok", "ok", "failed"]
    assert [row["pages"] for row in table] == [0, 3, 3, 3, 1]
    assert table[2]["same_as"] == table[1]["path"]
    seconds = rows(out, "timings")
    assert [(row["path"], row["page"]) for row in seconds] == [(row["path"], row["page"]) for row in pages]
    assert "5 documents, 10 pages" in result.stderr
    assert result.stdout == ""


@pytest.mark.parametrize(
    ("names", "status"), [(["paper-000.pdf"], 0), (["paper-000.pdf", "damaged.pdf"], 1), (["damaged.pdf", "no.pdf"], 3)]
)
def test_the_exit_status_tells_all_some_or_nothing(tmp_path, folder, names, status):
    """Schedulers see nothing else."""
    result = corpus(*(folder / name for name in names), "-o", tmp_path / "out", *HERE, "--json")
    assert result.exit_code == status
    summary = json.loads(result.stdout)
    assert summary["finished"]
    assert sum(summary["documents"].values()) == len(names)


def test_the_same_command_again_does_nothing_and_says_the_same(tmp_path, folder):
    """A scheduler that runs it twice must not do harm."""
    first = corpus(folder, "-o", tmp_path / "out", *HERE, "--json")
    before = written(tmp_path / "out")
    again = corpus(folder, "-o", tmp_path / "out", *HERE, "--json")
    assert again.exit_code == first.exit_code
    assert written(tmp_path / "out") == before
    told = [json.loads(result.stdout) for result in (first, again)]
    assert told[0]["pages"] == told[1]["pages"]
    assert told[1]["pages_now"] == 0


def test_another_command_on_the_same_folder_is_refused(tmp_path, folder):
    """Half of the pages with one option and half with another would be worth nothing."""
    corpus(folder, "-o", tmp_path / "out", *HERE)
    result = corpus(folder, "-o", tmp_path / "out", *HERE, "--pages", "1-2")
    assert result.exit_code == 2
    assert "pages was not given, is 1-2" in result.stderr
    result = corpus(folder / "scan.png", "-o", tmp_path / "out", *HERE)
    assert result.exit_code == 2
    assert "sources was" in result.stderr
    assert corpus(folder, "-o", tmp_path / "out", *HERE, "--batch-size", "3").exit_code == 1, "only speed differs"


def test_a_folder_of_somebody_else_is_refused(tmp_path, folder):
    """`pages` may hold anything."""
    (tmp_path / "out" / "pages").mkdir(parents=True)
    result = corpus(folder, "-o", tmp_path / "out", *HERE)
    assert result.exit_code == 2
    assert "holds pages" in result.stderr


def test_two_processes_on_one_folder_are_refused_unless_the_first_is_dead(tmp_path, folder):
    """A lock that outlives its owner would need a person in the middle of the night."""
    out = tmp_path / "out"
    pipe = tmp_path / "slow.pdf"
    os.mkfifo(pipe)
    first = started(folder, f"@{pipe}", "-o", out, *HERE)
    wait_for(out / ".corpus" / "run.json")
    second = corpus(folder, f"@{pipe}", "-o", out, *HERE)
    assert second.exit_code == 2
    assert "another process" in second.stderr
    os.killpg(first.pid, signal.SIGKILL)
    first.communicate()
    pipe.unlink()
    pipe.write_text("")
    assert corpus(folder, f"@{pipe}", "-o", out, *HERE).exit_code == 1


def test_killed_at_any_moment_the_run_goes_on_and_ends_with_the_same_bytes(tmp_path):
    """The whole group of processes is killed five times; no page is missing or doubled."""
    folder = papers(tmp_path / "in", 8, 4)
    options = ("--engine", "textlayer", "--workers", "1", "--shard-pages", "10", "--to", "md")
    corpus(folder, "-o", tmp_path / "plain", *options)
    out = tmp_path / "out"
    dice = random.Random(1)
    kills = 0
    for _ in range(5):
        process = started(folder, "-o", out, *options)
        if dice.random() < 0.8:  # most of the time goes into starting: wait until there is something to lose
            wait_for(out / ".corpus" / "journal")
        kills += killed(process, dice.uniform(0.0, 1.5))
    final = started(folder, "-o", out, *options)
    _, said = final.communicate()
    assert final.returncode == 1, said
    assert kills > 0, "otherwise nothing was tested"
    assert written(out) == written(tmp_path / "plain")
    assert len(rows(out)) == 8 * 4 + 4 + 1


def test_a_full_disk_ends_the_run_with_one_line_and_the_same_command_goes_on(tmp_path):
    """Here a limit on the size of files stands for the disk."""
    folder = papers(tmp_path / "in", 4, 12)
    options = (*HERE, "--shard-pages", "30")
    corpus(folder, "-o", tmp_path / "plain", *options)
    out = tmp_path / "out"
    lines = []
    for limit in (300, 9_000, 14_000):
        process = started(folder, "-o", out, *options, limit_bytes=limit)
        _, said = process.communicate()
        assert process.returncode == 1, said
        lines.append([line for line in said.splitlines() if "error" in line])
        assert len(lines[-1]) == 1, said
        assert "Traceback" not in said
        assert "Exception ignored" not in said
    assert all("the same command goes on from there" in line for [line] in lines)
    assert corpus(folder, "-o", out, *options).exit_code == 1
    assert written(out) == written(tmp_path / "plain")


def test_ctrl_c_finishes_what_is_in_hand_and_the_same_command_goes_on(tmp_path):
    """Exit status 130, and what was done is there."""
    folder = papers(tmp_path / "in", 12, 6)
    corpus(folder, "-o", tmp_path / "plain", *HERE)
    out = tmp_path / "out"
    process = started(folder, "-o", out, "--engine", "textlayer", "--workers", "1")
    wait_for(out / ".corpus" / "journal")
    time.sleep(0.3)
    os.killpg(process.pid, signal.SIGINT)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 130, said
    assert "the same command goes on" in said
    assert "Traceback" not in said
    assert not (out / "documents.parquet").exists()
    assert corpus(folder, "-o", out, *HERE).exit_code == 1
    assert written(out) == written(tmp_path / "plain")


def test_files_are_those_of_convert_in_the_same_tree(tmp_path, folder, samples):
    """Byte for byte, with their figures; a document that occurs twice has them twice."""
    formats = ("--to", "md", "--to", "json", "--to", "html", "--to", "doctags")
    (folder / "deep" / "er").mkdir(parents=True)
    (folder / "deep" / "er" / "report.pdf").write_bytes((samples / "report.pdf").read_bytes())
    (folder / "deep" / "twin.pdf").write_bytes((samples / "report.pdf").read_bytes())
    (folder / "zz.PDF").write_bytes((samples / "report.pdf").read_bytes())
    result = corpus(folder, "-o", tmp_path / "out", *HERE, *formats, "--shard-pages", "2")
    assert result.exit_code == 1, result.stderr
    converted = CliRunner().invoke(app, ["convert", str(folder), "-o", str(tmp_path / "plain"), *HERE, *formats])
    assert converted.exit_code == 1
    assert written(tmp_path / "out" / "files") == written(tmp_path / "plain")
    assert "files/deep/twin.md" in next(row["files"] for row in documents(tmp_path / "out") if "twin" in row["path"])


def test_nothing_in_the_names_of_a_tar_file_leads_out_of_the_folder(tmp_path):
    """Absolute names, `..`, NUL, 300 characters, names that differ in case only, links and devices."""
    out = tmp_path / "out"
    names = [
        "/etc/absolute.pdf",
        "../../up.pdf",
        "a/../../../up.pdf",
        "..",
        "n" * 300 + ".pdf",
        "n" * 299 + "m.pdf",
        "d/" * 400 + "deep.pdf",
        "Case.pdf",
        "case.pdf",
        "case.PDF",
        "été/naïve.pdf",
        "new\nline.pdf",
        "\x1b[31mred.pdf",
        "x.md/inner.pdf",
        "x.pdf",
        "-o.pdf",
        "con\\..\\..\\windows.pdf",
        ".hidden/paper.pdf",
    ]
    with tarfile.open(tmp_path / "all.tar.gz", "w:gz") as tar:
        for number, name in enumerate(names):
            data = pdf(f"{PROSE} {number}")
            member = tarfile.TarInfo(name)
            member.size = len(data)
            tar.addfile(member, io.BytesIO(data))
        for kind, name in (
            (tarfile.SYMTYPE, "link.pdf"),
            (tarfile.LNKTYPE, "hard.pdf"),
            (tarfile.FIFOTYPE, "pipe.pdf"),
        ):
            member = tarfile.TarInfo(name)
            member.type, member.linkname = kind, "/etc/passwd"
            tar.addfile(member)
    before = {path for path in tmp_path.rglob("*") if out not in path.parents}
    result = corpus(tmp_path / "all.tar.gz", "-o", out, *HERE, "--to", "md", "--to", "json")
    assert result.exit_code == 1, result.stderr
    assert {path for path in tmp_path.rglob("*") if out not in path.parents} == before | {out}
    table = documents(out)
    good = [row for row in table if row["status"] == "ok"]
    assert len(good) == len(names) - 1, "'..' is not the name of a document"
    assert [row["reason"] for row in table if row["status"] == "failed"] == [
        "a link or a device in a tar file; only files are taken from it"
    ] * 3
    files = [file for row in good for file in row["files"]]
    assert len({file.casefold() for file in files}) == 2 * len(good)
    assert all((out / file).resolve().is_relative_to((out / "files").resolve()) for file in files)
    texts = {(out / file).read_text() for file in files if file.endswith(".md")}
    assert len(texts) == len(good), "each has its own"


def test_a_link_in_the_output_folder_is_not_followed_out_of_it(tmp_path, folder):
    """Whoever can make a link in the folder must not make us write elsewhere."""
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (folder / "sub").mkdir()
    (folder / "sub" / "paper.pdf").write_bytes(pdf("New " + PROSE))
    out = tmp_path / "out"
    (out / ".corpus").mkdir(parents=True)
    (out / "files").mkdir()
    (out / "files" / "sub").symlink_to(elsewhere)
    result = corpus(folder, "-o", out, *HERE, "--to", "md")
    assert result.exit_code == 1
    assert "leads out of" in result.stderr
    assert list(elsewhere.iterdir()) == []


def test_a_tar_file_that_breaks_off_gives_what_is_before(tmp_path):
    """And one row that says so."""
    whole = io.BytesIO()
    with tarfile.open(fileobj=whole, mode="w") as tar:
        for number in range(3):
            data = pdf(f"{PROSE} {number}")
            member = tarfile.TarInfo(f"{number}.pdf")
            member.size = len(data)
            tar.addfile(member, io.BytesIO(data))
        middle = whole.tell() - 700
    (tmp_path / "cut.tar").write_bytes(whole.getvalue()[:middle])
    (tmp_path / "none.tar").write_bytes(b"this is no tar file" * 99)
    result = corpus(tmp_path, "-o", tmp_path / "out", *HERE)
    assert result.exit_code == 1, result.stderr
    table = documents(tmp_path / "out")
    assert [(os.path.basename(row["path"]), row["status"]) for row in table] == [
        ("0.pdf", "ok"),
        ("1.pdf", "ok"),
        ("cut.tar", "failed"),
        ("none.tar", "failed"),
    ]
    assert all("damaged tar file" in row["reason"] for row in table[2:])
