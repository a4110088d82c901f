"""How far a long run is, on stderr: a bar on a terminal, else a plain line every few seconds."""

import sys
import time
from types import TracebackType
from typing import Any, TextIO

EVERY_S = 5.0


class Progress:
    """Counts rows: rows a second and the time left. Nothing is shown of what takes less than a few seconds.

    total: None where it is not known before the end.
    """

    def __init__(self, name: str, total: int | None = None, stream: TextIO | None = None, every_s: float = EVERY_S) -> None:
        self._name, self._total, self._before, self._rows = name, total, 0, 0
        self._stream, self._every_s = stream or sys.stderr, every_s
        self._started = self._shown = time.monotonic()
        self._bar = self._make_bar() if self._stream.isatty() else None

    def _make_bar(self) -> Any:
        from rich.console import Console
        from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

        columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[speed]}"), TimeRemainingColumn())
        bar = Progress(*columns, console=Console(file=self._stream), transient=True)
        bar.add_task(self._name, total=self._total, speed="")
        return bar

    def __enter__(self) -> "Progress":
        if self._bar is not None:
            self._bar.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self._bar is not None:
            self._bar.stop()
        if kind is None and self._seconds() >= self._every_s:
            self._stream.write(f"{self._name}: {self._rows:,} rows in {_time(self._seconds())}, {self._speed()}\n")

    def skip(self, rows: int) -> None:
        """Some rows were done before: they say nothing of the speed."""
        self._before += rows
        self._rows += rows

    def add(self, rows: int) -> None:
        """Some more rows are done."""
        self._rows += rows
        if self._bar is not None:
            self._bar.update(0, completed=self._rows, speed=self._speed())
        elif time.monotonic() - self._shown >= self._every_s:
            self._shown = time.monotonic()
            share, left = f"{self._rows:,} rows", ""
            if self._total is not None:
                seconds = self._seconds() * (self._total - self._rows) / max(self._rows - self._before, 1)
                share, left = f"{self._rows:,} of {self._total:,} rows", f", {_time(seconds)} left"
            self._stream.write(f"{self._name}: {share}, {self._speed()}{left}\n")
            self._stream.flush()

    def _seconds(self) -> float:
        return time.monotonic() - self._started

    def _speed(self) -> str:
        return f"{(self._rows - self._before) / max(self._seconds(), 1e-9):,.0f} rows/s"


def _time(seconds: float) -> str:
    """Hours, minutes and seconds.

    >>> _time(59.6), _time(3723)
    ('1:00', '1:02:03')
    """
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"
