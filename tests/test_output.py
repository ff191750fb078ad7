"""Files appear whole or not at all, and no two documents share one."""

import os
from pathlib import PurePath

import pytest

from smoldocling.errors import UnwritableOutput
from smoldocling.output import Places, probe, put


def test_no_two_documents_get_the_same_name():
    """a/report.pdf and b/report.pdf; disks that ignore case; a file that looks like the way out."""
    places = Places()
    names = ["report", "report", "Report", "report-2", "sub/report", "report"]
    assert len({str(places.claim(PurePath(name), ["md"])).casefold() for name in names}) == len(names)


def test_one_format_of_one_may_be_another_format_of_another():
    """x.pdf as a report and x.report.pdf as HTML are both x.report.html."""
    places = Places()
    first = places.claim(PurePath("x"), ["report", "html"])
    second = places.claim(PurePath("x.report"), ["report", "html"])
    assert (str(first), str(second)) == ("x", "x.report-2")


def test_names_do_not_depend_on_later_inputs():
    """The first keeps its own name."""
    places = Places()
    assert [str(places.claim(PurePath("a"), ["md"])) for _ in range(3)] == ["a", "a-2", "a-3"]


def test_a_failed_write_leaves_the_old_file_and_no_litter(tmp_path, monkeypatch):
    """A full disk must not cost the result of yesterday."""
    path = tmp_path / "report.md"
    put(path, b"old")

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("pathlib.Path.replace", full)
    with pytest.raises(UnwritableOutput, match="no space left"):
        put(path, b"new")
    assert path.read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["report.md"]


def test_what_cannot_be_a_folder_is_named(tmp_path):
    """Found out before the work, not after."""
    (tmp_path / "file").write_text("")
    with pytest.raises(UnwritableOutput, match="output folder cannot be written"):
        probe(tmp_path / "file")
    with pytest.raises(UnwritableOutput, match="cannot be written"):
        put(tmp_path / "file" / "x.md", b"")
