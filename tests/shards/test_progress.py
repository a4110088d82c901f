"""Progress on stderr: a plain line now and then, a bar on a terminal, nothing for what is done at once."""

import io

from dxtune.shards.progress import Progress


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_a_line_every_few_seconds_with_speed_and_time_left() -> None:
    stream = io.StringIO()
    with Progress("tokenize", 1000, stream, every_s=0) as progress:
        progress.skip(400)
        progress.add(300)
        progress.add(300)
    first, *_, last = stream.getvalue().splitlines()
    assert first.startswith("tokenize: 700 of 1,000 rows, ") and first.endswith(" left") and " rows/s, 0:0" in first
    assert last.startswith("tokenize: 1,000 rows in 0:00, ")


def test_nothing_is_said_of_what_is_done_at_once_and_a_total_may_be_unknown() -> None:
    quiet, loud = io.StringIO(), io.StringIO()
    for stream, every_s in ((quiet, 5.0), (loud, 0.0)):
        with Progress("collect", None, stream, every_s) as progress:
            progress.add(10)
    assert quiet.getvalue() == ""
    assert loud.getvalue().startswith("collect: 10 rows, ")


def test_a_bar_on_a_terminal() -> None:
    stream = Terminal()
    with Progress("deidentify", 10, stream) as progress:
        progress.add(10)
    assert "deidentify" in stream.getvalue() and "\x1b" in stream.getvalue()
