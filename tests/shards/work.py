"""Functions that the tests of map_shards run in workers: a worker must be able to import them."""

import os
import signal
import time
from pathlib import Path

import polars as pl

from dxtune.errors import DataError
from dxtune.shards import Result


def double(log: str, frame: pl.DataFrame) -> Result:
    """Doubles `x`. Leaves a line in the file `log`, so that calls can be counted across processes."""
    with Path(log).open("a", encoding="utf-8") as file:
        file.write(f"{frame['x'][0] if frame.height else None}\n")
    return Result(
        {"doubled": frame.with_columns(x=pl.col("x") * 2), "sums": frame.select(pl.col("x").sum())}, {"n": frame.height}
    )


def add(frame: pl.DataFrame, other: pl.DataFrame) -> Result:
    """Adds the column `x` of two frames."""
    return Result({"added": frame.with_columns(x=frame["x"] + other["x"])}, {})


def refuse(frame: pl.DataFrame) -> Result:
    """Raises a DataError at the shard that holds 4."""
    if 4 in frame["x"]:
        raise DataError("row 1: expected no 4, found one: take it out")
    return Result({"doubled": frame}, {})


def stumble(frame: pl.DataFrame) -> Result:
    """Raises what nobody expects, with the frame's content in its message."""
    raise KeyError(f"x is {frame['x'].to_list()}")


def die_once(log: str, frame: pl.DataFrame) -> Result:
    """Kills its own process the first time that it sees the shard that holds 4."""
    if 4 in frame["x"] and not Path(f"{log}.died").exists():
        Path(f"{log}.died").touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return double(log, frame)


def slow(log: str, frame: pl.DataFrame) -> Result:
    """As double, after a tenth of a second."""
    time.sleep(0.1)
    return double(log, frame)


def refuse_after(seconds: float, name: str) -> None:
    time.sleep(seconds)
    raise DataError(name)
