"""Talk about the work: plain in a log, a bar on a terminal."""

import io

import pytest

from smoldocling import progress


@pytest.mark.parametrize(
    ("seconds", "text"), [(0, "0 s"), (59.4, "59 s"), (61, "1:01 min"), (3600, "1:00 h"), (7500, "2:05 h"), (-3, "0 s")]
)
def test_durations_read_well(seconds, text):
    """Nobody wants to see 7500.0 s."""
    assert progress.duration(seconds) == text


def test_a_log_gets_a_line_now_and_then_only(monkeypatch):
    """A million pages must not be a million lines."""
    now = [0.0]
    monkeypatch.setattr("time.monotonic", lambda: now[0])
    log = io.StringIO()
    with progress.progress(log, terminal=False) as shown:
        for page in range(1, 101):
            now[0] += 1.0
            shown.tick(page, 100)
    assert log.getvalue().splitlines()[0] == "30 of about 100 pages, 1 pages/s, 1:10 min left"
    assert len(log.getvalue().splitlines()) == 3


def test_file_names_do_nothing_to_a_terminal():
    """A name may hold line ends, escapes and bytes that are no text."""
    log = io.StringIO()
    progress.progress(log, terminal=False).line("a\nb\x1b[31mc\udcff é: fine")
    assert log.getvalue() == "a\\nb\\x1b[31mc\\udcff é: fine\n"


def test_nobody_listening_costs_nothing():
    """The reader of a log may go away before the work is done."""

    class Gone(io.StringIO):
        def write(self, _: str) -> int:
            raise BrokenPipeError

    progress.progress(Gone(), terminal=False).line("hello")


def test_a_terminal_gets_a_bar_and_lines_above_it():
    """The bar goes away at the end, the lines stay."""
    screen = io.StringIO()
    with progress.progress(screen, terminal=True) as shown:
        shown.tick(1, 4)
        shown.line("report.pdf: 1 page [bold]-> out/report.md")
    assert "report.pdf: 1 page [bold]-> out/report.md" in screen.getvalue()
