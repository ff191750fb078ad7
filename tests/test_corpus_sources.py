"""Where the documents of a large run come from, and in which order."""

from __future__ import annotations

import hashlib
import io
import os
import tarfile
import tracemalloc
from pathlib import Path, PurePosixPath

import fsspec
import pytest
from crawl import HERE, corpus, documents, rows
from hypothesis import example, given
from hypothesis import strategies as st
from make import PROSE, pdf

from smoldocling.corpus import listing
from smoldocling.corpus.fetch import Fetcher
from smoldocling.corpus.listing import Listed, Listing
from smoldocling.corpus.names import MOST_BYTES, MOST_BYTES_IN_ALL, Names, safe
from smoldocling.corpus.trees import load, save
from smoldocling.errors import UnusableOption
from smoldocling.pipeline import Converter


def listed(tmp_path: Path, *sources: object) -> list[Listed]:
    """The list of a run."""
    path = tmp_path / "list.sqlite"
    listing.build(path, map(str, sources), tmp_path / "out", lambda _: None)
    made = Listing(path)
    found = list(made.read(0))
    assert made.count == len(found)
    made.close()
    path.unlink()
    return found


def touch(folder: Path, *names: str) -> None:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(b"x")


def test_folders_globs_lists_and_files_come_in_order_and_once(tmp_path, monkeypatch):
    """The order of the command line, then that of names, whatever the disk says; nothing twice."""
    monkeypatch.chdir(tmp_path)
    touch(tmp_path, "in/b.pdf", "in/a/z.PNG", "in/a/notes.txt", "in/.hidden.pdf", "in/a_artifacts/p.png", "in/c.tar.gz")
    touch(tmp_path, "one.pdf", "two.pdf", "in/\u00e9.pdf")
    (tmp_path / "list.txt").write_text("two.pdf\r\n\n./in/b.pdf\nmissing.pdf\nin\n")
    found = listed(tmp_path, "one.pdf", "@list.txt", "./*.pdf", "nothing-*.pdf")
    assert [item.address for item in found] == [
        "one.pdf",
        "two.pdf",
        "./in/b.pdf",
        "missing.pdf",
        "in/a/z.PNG",
        "in/c.tar.gz",
        "in/\u00e9.pdf",
        "nothing-*.pdf",
    ]
    assert [item.number for item in found] == list(range(8))
    assert "no such file" in found[3].error
    assert found[4].place == "a/z.PNG"
    assert "no document is there" in found[7].error


def test_names_that_are_no_text_are_listed_and_found(tmp_path):
    """Disks hold any bytes."""
    name = os.fsdecode(b"caf\xe9 \xff.pdf")
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / name).write_bytes(pdf(PROSE))
    [item] = listed(tmp_path, tmp_path / "in")
    assert item.address.endswith(name)
    assert corpus(tmp_path / "in", "-o", tmp_path / "out", *HERE, "--to", "md").exit_code == 0
    assert documents(tmp_path / "out")[0]["path"].endswith(r"caf\xe9 \xff.pdf")


def test_links_are_followed_but_not_round(tmp_path):
    """A link to a folder above would never end; one to a file elsewhere is a document like others."""
    touch(tmp_path, "in/a/x.pdf", "elsewhere/y.pdf")
    (tmp_path / "in" / "a" / "up").symlink_to(tmp_path / "in")
    (tmp_path / "in" / "there").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "in" / "b").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "in" / "file.pdf").symlink_to(tmp_path / "elsewhere" / "y.pdf")
    (tmp_path / "in" / "broken.pdf").symlink_to(tmp_path / "nowhere")
    (tmp_path / "in" / "out").mkdir()
    found = {item.address[len(str(tmp_path)) :]: item.error for item in listed(tmp_path, tmp_path / "in")}
    assert {name: bool(error) for name, error in found.items()} == {
        "/in/a/x.pdf": False,
        "/in/b/y.pdf": False,
        "/in/broken.pdf": True,
        "/in/file.pdf": False,
    }


def test_what_the_run_writes_is_not_its_source(tmp_path):
    """The output may lie in the folder that is read."""
    (tmp_path / "paper.pdf").write_bytes(pdf(PROSE))
    (tmp_path / "out" / "files").mkdir(parents=True)
    touch(tmp_path, "out/other.pdf")
    assert [item.place for item in listed(tmp_path, tmp_path)] == ["paper.pdf"]


def test_a_list_that_cannot_be_read_is_a_mistake_on_the_command_line(tmp_path):
    """Exit status 2, before anything is done."""
    with pytest.raises(UnusableOption, match="cannot be read"):
        listed(tmp_path, "@nowhere.txt")
    assert corpus("@nowhere.txt", "-o", tmp_path / "out", *HERE).exit_code == 2


def test_a_long_list_is_not_held_in_memory(tmp_path):
    """Ten million names would be some gigabytes."""
    names = tmp_path / "names.txt"
    with names.open("w") as file:
        file.writelines(f"/data/{number:07d}/some-document-with-a-name.pdf\n" for number in range(60_000))
    tracemalloc.start()
    try:
        listing.build(tmp_path / "list.sqlite", [f"@{names}"], tmp_path / "out", lambda _: None)
        made = Listing(tmp_path / "list.sqlite")
        assert sum(1 for _ in made.read(0)) == 60_000
        made.close()
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 2_000_000, "a tenth of the names"


@pytest.fixture
def memory():
    """fsspec's file system in memory, with some documents."""
    system = fsspec.filesystem("memory")
    system.pipe("/bucket/b.pdf", pdf(PROSE + " b"))
    system.pipe("/bucket/deep/a.pdf", pdf(PROSE + " a"))
    system.pipe("/bucket/deep/readme.txt", b"no document")
    yield system
    system.rm("/bucket", recursive=True)


def test_other_file_systems_are_read_through_fsspec(tmp_path, memory):
    """A folder, a pattern, a file, one that is not there, a tar file."""
    tar = io.BytesIO()
    with tarfile.open(fileobj=tar, mode="w:gz") as archive:
        data = pdf(PROSE + " in a tar")
        member = tarfile.TarInfo("inner/c.pdf")
        member.size = len(data)
        archive.addfile(member, io.BytesIO(data))
    memory.pipe("/bucket/more.tgz", tar.getvalue())
    result = corpus(
        "memory://bucket", "memory://bucket/deep/*.pdf", "memory://bucket/no.pdf", "-o", tmp_path / "out", *HERE
    )
    assert result.exit_code == 1, result.stderr
    assert [(row["path"], row["status"]) for row in documents(tmp_path / "out")] == [
        ("memory://bucket/b.pdf", "ok"),
        ("memory://bucket/deep/a.pdf", "ok"),
        ("memory://bucket/more.tgz/inner/c.pdf", "ok"),
        ("memory://bucket/no.pdf", "failed"),
    ]
    assert documents(tmp_path / "out")[3]["reason"] == "no such file"


def test_a_local_address_reads_local_files(tmp_path):
    """file:// is an address like others."""
    (tmp_path / "x.pdf").write_bytes(pdf(PROSE))
    assert corpus(f"file://{tmp_path}", "-o", tmp_path / "out", *HERE).exit_code == 0
    assert documents(tmp_path / "out")[0]["path"] == f"file://{tmp_path}/x.pdf"


@pytest.mark.parametrize("address", ["zip://x.pdf::http://127.0.0.1/a.zip", "sftp://host/x.pdf", "http+unix://x/a.pdf"])
def test_addresses_that_lead_through_others_are_not_taken(tmp_path, address):
    """fsspec would fetch the inner one without asking whether it may."""
    [item] = listed(tmp_path, address)
    assert item.error


def test_a_tar_file_is_read_on_where_the_network_broke(monkeypatch):
    """What has been handed out is not handed out again."""
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode="w") as archive:
        for number in range(4):
            member = tarfile.TarInfo(f"{number}.pdf")
            member.size = 20_000
            archive.addfile(member, io.BytesIO(bytes([number]) * 20_000))

    class Broken(io.BytesIO):
        def read(self, size: int | None = -1) -> bytes:
            if self.tell() > 50_000:
                raise ConnectionResetError("connection reset")
            return super().read(size)

    streams = [Broken(data.getvalue()), io.BytesIO(data.getvalue())]
    fetcher = Fetcher(sleep=lambda _: None)
    monkeypatch.setattr(fetcher, "_open", lambda _: streams.pop(0))
    members = list(fetcher.members("memory://x.tar", "x", lambda number: number != 1))
    assert [member and member.data and member.data[0] for member in members] == [0, None, 2, 3]


@given(st.text(st.characters(), max_size=400))
@example("\ud800")
@example("\udcff" * 300)
def test_no_name_leads_out_of_the_folder(place):
    """Whatever an input is called: relative, below, short, and nothing in it that a terminal or a disk minds."""
    path = safe(place)
    parts = path.parts
    assert parts
    assert not path.is_absolute()
    assert not {"..", ".", ""} & set(parts)
    assert all(len(part.encode()) <= MOST_BYTES for part in parts[:-1])
    assert len(str(path).encode()) <= MOST_BYTES_IN_ALL + MOST_BYTES
    assert str(path).isprintable() or not any(ord(char) < 32 or char == "\x7f" for char in str(path))
    assert "\\" not in str(path)


@given(
    st.lists(st.sampled_from(["a.pdf", "A.PDF", "a", "a/b.pdf", "a.md/b", "a_artifacts/x", "é", "e\u0301", "a-2.pdf"]))
)
def test_no_two_documents_share_a_name(places):
    """Nor does one have a file where another has a folder; and who asks again gets the same."""
    names = Names(Path(":memory:"))
    given_out = [names.claim((number, 0), place, ["md", "json"]) for number, place in enumerate(places)]
    assert len({str(name).casefold() for name in given_out}) == len(places)
    files = {PurePosixPath(f"{name}{suffix}") for name in given_out for suffix in (".md", ".json", "_artifacts")}
    assert not files & {parent for name in given_out for parent in name.parents}
    assert [names.claim((number, 0), place, ["md", "json"]) for number, place in enumerate(places)] == given_out
    names.close()


def test_a_page_that_was_saved_renders_as_before(samples):
    """Links, sizes and pictures have no place in DocTags, and files need them."""
    import json

    for result in Converter(engine="textlayer", workers=0).documents([samples / "report.pdf", samples / "invoice.pdf"]):
        for page in result.pages:
            row = {"page": page.number, "status": page.status, "engine": page.engine}
            again = load(json.loads(json.dumps(save(page))), page.source, row)
            assert again.tree == page.tree
            assert again.tree.size == page.tree.size
            assert [element.links for element in again.tree.elements] == [
                element.links for element in page.tree.elements
            ]
            assert again.pictures == page.pictures


def test_the_hash_is_that_of_the_content(tmp_path):
    """So that tables can be joined with anybody else's."""
    data = pdf(PROSE)
    (tmp_path / "x.pdf").write_bytes(data)
    corpus(tmp_path / "x.pdf", "-o", tmp_path / "out", *HERE)
    assert rows(tmp_path / "out")[0]["hash"] == hashlib.sha256(data).hexdigest()
