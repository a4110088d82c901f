"""200 broken inputs, made from good rows with a seed: each ends in quarantine or in a DataError, and no good row is lost.

A way to break an input gets random numbers, the good rows and an empty folder. It gives back what is read, and the rows
that it left intact: where there is no error, they must all be among the records. Each has half a minute.
"""

import csv
import gzip
import io
import json
import os
import random
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import polars as pl
import pyarrow as pa
import pytest

from dxtune.errors import DataError
from dxtune.params import Collect, load_params
from dxtune.sources import streams, table, table_cells
from tests.conftest import ROOT

SECRET = "SECRET"  # stands in every cell: no message may hold it
SECONDS = 30  # of wall time, on a machine that others use, too
CASES = 200
Rows = list[dict[str, Any]]


class Broken(NamedTuple):
    path: Path
    intact: Rows
    settings: dict[str, Any] = {}  # noqa: RUF012 (never changed)
    fails: bool = False  # it must end in a DataError


def good_rows(rng: random.Random, count: int = 30) -> Rows:
    """Rows with quotation marks, line breaks, commas, and characters of two to four bytes."""
    parts = ["fever", 'says "no"', "a, b", "line\nbreak", "thrée", "体温", "🙂", "5' tall", "b\r\nc", '"']
    return [
        {"text": f"{SECRET} {number} {' '.join(rng.choices(parts, k=rng.randrange(1, 8)))}", "dx": f"{SECRET}{number % 3}"}
        for number in range(count)
    ]


def as_csv(rows: Rows, header: str = "text,dx", ending: str = "\n") -> list[bytes]:
    """The lines of a csv, the header first."""
    lines = []
    for row in rows:
        text = io.StringIO(newline="")
        quoting = csv.QUOTE_ALL if {"\n", "\r"} & set(row["text"]) else csv.QUOTE_MINIMAL  # it looks for `ending` only
        csv.writer(text, lineterminator=ending, quoting=quoting).writerow([row["text"], row["dx"]])
        lines.append(text.getvalue().encode())
    return [(header + ending).encode(), *lines]


def as_lines(rows: Rows, ending: str = "\n") -> list[bytes]:
    return [(json.dumps(row, ensure_ascii=False) + ending).encode() for row in rows]


def write(path: Path, *parts: bytes) -> Path:
    data = b"".join(parts)
    if path.suffix == ".gz":
        data = gzip.compress(data, 1, mtime=0)
    if path.suffix == ".zst":
        sink = pa.BufferOutputStream()
        with pa.CompressedOutputStream(sink, "zstd") as stream:
            stream.write(data)
        data = sink.getvalue().to_pybytes()
    path.write_bytes(data)
    return path


def text_file(rng: random.Random, folder: Path, rows: Rows) -> tuple[Path, list[bytes], int]:
    """A csv or json lines file's path, its lines, and how many of them are the header."""
    ending = rng.choice([".csv", ".jsonl", ".csv.gz", ".jsonl.zst"])
    lines = as_csv(rows) if ending.startswith(".csv") else as_lines(rows)
    return folder / f"a{ending}", lines, int(ending.startswith(".csv"))


# ---- bytes ----


def truncated_packed(rng: random.Random, folder: Path, rows: Rows) -> Broken:
    path = write(folder / f"a{rng.choice(['.csv', '.jsonl', '.json'])}{rng.choice(['.gz', '.zst'])}", *as_csv(rows))
    data = path.read_bytes()
    path.write_bytes(data[: rng.randrange(len(data))])
    return Broken(path, [], fails=True)


def changed_packed(rng: random.Random, folder: Path, rows: Rows) -> Broken:
    path = write(folder / "a.csv.gz", *as_csv(rows))
    data = bytearray(path.read_bytes())
    at = rng.randrange(10, len(data) - 4)
    data[at] ^= 1 << rng.randrange(8)
    path.write_bytes(data)
    return Broken(path, [], fails=True)


def not_packed(rng: random.Random, folder: Path, rows: Rows) -> Broken:
    path = folder / f"a.csv{rng.choice(['.gz', '.zst'])}"
    path.write_bytes(b"".join(as_csv(rows)))
    return Broken(path, [], fails=True)


def zip_bomb(rng: random.Random, folder: Path, rows: Rows) -> Broken:
    filler = rng.choice([b"\n", b"a", b'"', b"[", b"\x00"]) * (1 << 27)
    ending = rng.choice([".csv.gz", ".jsonl.gz", ".json.gz", ".csv.zst", ".jsonl.zst"])
    return Broken(write(folder / f"a{ending}", *(as_csv(rows) if "csv" in ending else as_lines(rows)), filler), [], fails=True)


def truncated_text(rng: random.Random, folder: Path, rows: Rows) -> Broken:
    path, lines, header = text_file(rng, folder, rows)
    whole = rng.randrange(1, len(lines) - header)
    last = lines[header + whole]
    return Broken(write(path, *lines[: header + whole], last[: rng.randrange(len(last))]), rows[:whole])


def changed_bytes(rng: random.Random, folder: Path, rows: Rows) -> Broken:
    path, lines, header = text_file(rng, folder, rows)
    hit = set(rng.sample(range(len(rows)), 3))
    for row in hit:
        line = bytearray(lines[header + row])
        places = [at for at in range(len(line) - 1) if line[at] not in b'"\n\r\\']
        line[rng.choice(places)] = rng.choice(b"\x00\x01\xff\xc3,;\t{}[")
        lines[header + row] = bytes(line)
    return Broken(write(path, *lines), [row for at, row in enumerate(rows) if at not in hit])


def other_encoding(rng: random.Random, folder: Path, rows: Rows) -> Broken:
    path, lines, _ = text_file(rng, folder, rows)
    at = rng.randrange(1, len(lines))
    lines[at] = lines[at].replace(SECRET.encode(), f"{SECRET} é".encode("latin-1"), 1)
    return Broken(write(path, *lines), [], fails=True)


def utf_16(rng: random.Random, folder: Path, rows: Rows) -> Broken:
    path, lines, _ = text_file(rng, folder, rows)
    return Broken(
        write(path, b"".join(lines).decode().encode(rng.choice(["utf-16", "utf-16-le", "utf-16-be"]))), [], fails=True
    )


def cut_character(rng: random.Random, folder: Path, rows: Rows) -> Broken:
    path, lines, _ = text_file(rng, folder, rows)
    return Broken(write(path, *lines, rng.choice(["é", "体", "🙂"]).encode()[:-1]), [], fails=path.name.startswith("a.csv"))


def nul_bytes(rng: random.Random, folder: Path, rows: Rows) -> Broken:
    path, lines, header = text_file(rng, folder, rows)
    hit = rng.randrange(len(rows))
    lines[header + hit] = lines[header + hit].replace(SECRET.encode(), b"SEC\x00RET", 1)
    return Broken(write(path, *lines), rows[:hit] + rows[hit + 1 :])


def huge_field(rng: random.Random, folder: Path, rows: Rows) -> Broken:
    path, lines, header = text_file(rng, folder, rows)
    hit = rng.randrange(len(rows))
    lines[header + hit] = lines[header + hit].replace(SECRET.encode(), SECRET.encode() * 8_400_000, 1)
    return Broken(write(path, *lines), rows[:hit] + rows[hit + 1 :])


def byte_order_marks(rng: random.Random, folder: Path, rows: Rows) -> Broken:
    """Files that were put one behind another, each with its mark (and header)."""
    path, lines, header = text_file(rng, folder, rows)
    at = rng.randrange(2, len(rows))
    joint = streams.BOM + b"".join(lines[:header])
    intact = rows if header else rows[:at] + rows[at + 1 :]
    return Broken(write(path, streams.BOM, *lines[: header + at], joint, *lines[header + at :]), intact)


def line_ends(rng: random.Random, folder: Path, rows: Rows) -> Broken:
    rows = [{**row, "text": row["text"].replace("\r\n", " ")} for row in rows]
    lines = [line for row in rows for line in as_csv([row], ending=rng.choice(["\n", "\r\n", "\r"]))[1:]]
    blank = [rng.choice([b"", b"", b"\n", b"\r\n\r\n", b"\r\r"]) for _ in lines]
    parts = [part for pair in zip(lines, blank, strict=True) for part in pair]
    return Broken(write(folder / "a.csv", rng.choice([b"\n", b"\r\n", b""]), b"text,dx\r\n", *parts), rows)


# ---- csv ----


def other_delimiter(rng: random.Random, folder: Path, rows: Rows) -> Broken:
    mark = rng.choice([b";", b"\t", b"|"])
    return Broken(write(folder / "a.csv", *(line.replace(b",", mark) for line in as_csv(rows))), [], fails=True)


def header_wrong(rng: random.Random, folder: Path, rows: Rows) -> Broken:
    header = rng.choice(
        ["text,text,dx", "text,dx,dx", "dx", "", "TEXT,DX", "\ttext,dx", '"text,dx', f"{SECRET} x,{SECRET * 20}"]
    )
    return Broken(write(folder / "a.csv", *as_csv(rows, header)), [], fails=True)


def no_header(rng: random.Random, folder: Path, rows: Rows) -> Broken:
    rows = [{"text": f"{row['text']} {'and so on ' * 9}", "dx": row["dx"]} for row in rows]
    return Broken(write(folder / "a.csv", *as_csv(rows)[1:]), [], fails=True)


def ragged(rng: random.Random, folder: Path, rows: Rows) -> Broken:
    lines = as_csv(rows)
    hit = set(rng.sample(range(len(rows)), 4))
    for at in hit:
        lines[at + 1] = rng.choice([b",,,\n", lines[at + 1][:-1] + b",x\n", b"x\n", b'"x"\n', b",\n", b" \n"])
    return Broken(write(folder / "a.csv", *lines), [row for at, row in enumerate(rows) if at not in hit])


def stray_quotes(rng: random.Random, folder: Path, rows: Rows) -> Broken:
    """Inside fields without quotation marks around them they are characters: every row is good."""
    lines, texts = as_csv(rows), []
    for at in range(len(rows)):
        text = f'{SECRET} {at} 5" needle {rng.choice(["", chr(34), "a" + chr(34) * 2])} x'
        texts.append({"text": text, "dx": rows[at]["dx"]})
        if rng.random() < 0.5:
            lines[at + 1] = f"{text},{rows[at]['dx']}\n".encode()
        else:
            texts[at] = rows[at]
    return Broken(write(folder / "a.csv", *lines), texts)


def open_quote(rng: random.Random, folder: Path, rows: Rows) -> Broken:
    rows = [{**row, "text": row["text"].replace('"', "")} for row in rows]
    lines = as_csv(rows)
    at = rng.choice([1, len(lines) // 2, len(lines) - 1])
    lines[at] = b'"' + lines[at].replace(b'"', b"")
    return Broken(write(folder / "a.csv", *lines), [], fails=True)


def closed_too_early(rng: random.Random, folder: Path, rows: Rows) -> Broken:
    lines = as_csv(rows)
    lines.insert(rng.randrange(1, len(lines)), f'"{SECRET}" said,flu\n'.encode())
    return Broken(write(folder / "a.csv", *lines), [], fails=True)


def formulas(rng: random.Random, folder: Path, rows: Rows) -> Broken:
    heads = ["=cmd|' /C calc'!A0", "@SUM(1+1)", "+1-1", "-2+3", '=HYPERLINK("http://example.org")', "\t=1"]
    rows = [{**row, "text": f"{rng.choice(heads)} {row['text']}"} for row in rows]
    path, lines, _ = text_file(rng, folder, rows)
    return Broken(write(path, *lines), rows)


# ---- json ----

BAD_LINES: list[Callable[[], bytes]] = [
    lambda: b"[" * 100_000,
    lambda: b'{"text":' * 100_000,
    lambda: b'{"text": "' + SECRET.encode(),
    lambda: b'{"text": "\\ud800 SECRET", "dx": "flu"}',
    lambda: b'{"text": ["SECRET"], "dx": "flu"}',
    lambda: b'{"text": "SECRET", "dx": {"a": "SECRET"}}',
    lambda: b'{"text": "SECRET", "dx": NaN}',
    lambda: b'{"text": NaN, "dx": "SECRET"}',
    lambda: b'{"text": Infinity, "dx": -Infinity}',
    lambda: b'{"text": "SECRET", "dx": ' + b"9" * 5000 + b"}",
    lambda: b'{"text": "SECRET", "dx": 1' + b"0" * 200 + b"}",
    lambda: b'{"text": 1e999, "dx": 1e999}',
    lambda: b'{"text": "SECRET", "text": null, "dx": "flu"}',
    lambda: b'{"text": "SECRET\x00", "dx": "flu"}',
    lambda: b'{"text": "SECRET\\u0000", "dx": "flu"}',
    lambda: b'"SECRET"',
    lambda: b"null",
    lambda: b"7",
    lambda: b"{'text': 'SECRET'}",
    lambda: b'{"text": "SECRET", "dx": "flu"},',
    lambda: b"\x1e{}",
    lambda: b"{}",
]


def bad_lines(rng: random.Random, folder: Path, rows: Rows) -> Broken:
    lines = as_lines(rows, rng.choice(["\n", "\r\n"]))
    for _ in range(4):
        lines.insert(rng.randrange(len(lines)), rng.choice(BAD_LINES)() + b"\n")
    blank = rng.choice([b"", b"\n", b" \t\r\n"])
    return Broken(write(folder / f"a.{rng.choice(['jsonl', 'ndjson', 'jsonl.gz'])}", blank.join(lines)), rows)


def bad_list(rng: random.Random, folder: Path, rows: Rows) -> Broken:
    items = [json.dumps(row).encode() for row in rows]
    whole = b"[" + b",\n".join(items) + b"]"
    cases = [
        whole[:-1],
        whole + b"x",
        whole + whole,
        whole[: len(whole) // 2],
        b"[" * 100_000,
        whole[1:],
        b'{"rows": ' + whole + b"}",
    ]
    cases += [
        b"[" + b" ".join(items) + b"]",
        b"[,]",
        b"[",
        b"null",
        b"[" + b",".join([*items, b"[" * 100_000]) + b"]",
        b"[{},]",
    ]
    return Broken(write(folder / "a.json", rng.choice(cases)), [], fails=True)


def bad_items(rng: random.Random, folder: Path, rows: Rows) -> Broken:
    items = [json.dumps(row, indent=rng.choice([None, 2])).encode() for row in rows]
    for _ in range(3):
        items.insert(rng.randrange(len(items)), rng.choice([b"null", b"[]", b"NaN", b"{}", b'"SECRET"', b'{"text": "SECRET"}']))
    return Broken(write(folder / "a.json", b"[\n" + b"\n,\r\n".join(items) + b"\n]\n"), rows)


# ---- parquet ----


def parquet_bytes(rng: random.Random, rows: Rows) -> bytes:
    sink = io.BytesIO()
    pl.DataFrame(rows).write_parquet(sink, compression=rng.choice(["zstd", "snappy", "uncompressed"]), row_group_size=10)
    return sink.getvalue()


def lying_footer(rng: random.Random, folder: Path, rows: Rows) -> Broken:
    data = bytearray(parquet_bytes(rng, rows))
    for _ in range(rng.choice([1, 3, 20])):
        data[-rng.randrange(1, 700)] = rng.randrange(256)
    return Broken(write(folder / "a.parquet", bytes(data)), [])


def lying_footer_length(rng: random.Random, folder: Path, rows: Rows) -> Broken:
    data = parquet_bytes(rng, rows)
    length = rng.choice([0, 1, 2**31 - 1, 2**32 - 1, len(data) * 2, len(data) - 12])
    return Broken(write(folder / "a.parquet", data[:-8], length.to_bytes(4, "little"), data[-4:]), [], fails=True)


def changed_pages(rng: random.Random, folder: Path, rows: Rows) -> Broken:
    data = bytearray(parquet_bytes(rng, rows))
    for _ in range(rng.choice([1, 5, 50])):
        data[rng.randrange(4, len(data) - 700)] = rng.randrange(256)
    return Broken(write(folder / "a.parquet", bytes(data)), [])


def cut_parquet(rng: random.Random, folder: Path, rows: Rows) -> Broken:
    data = parquet_bytes(rng, rows)
    return Broken(write(folder / "a.parquet", data[: rng.randrange(len(data))]), [], fails=True)


def other_types(rng: random.Random, folder: Path, rows: Rows) -> Broken:
    frame = pl.DataFrame(rows)
    change = rng.choice(
        [
            pl.lit(7).alias("text"),
            pl.col("text").cast(pl.Binary),
            pl.concat_list("text", "text").alias("text"),
            pl.struct("text", "dx").alias("dx"),
            pl.lit(float("nan")).alias("dx"),
            pl.lit(None).alias("text"),
            pl.lit(None, dtype=pl.Null).alias("dx"),
        ]
    )
    frame.with_columns(change).write_parquet(folder / "a.parquet")
    return Broken(folder / "a.parquet", [])


def other_ending(rng: random.Random, folder: Path, rows: Rows) -> Broken:
    data = {".csv": b"".join(as_csv(rows)), ".jsonl": b"".join(as_lines(rows)), ".parquet": parquet_bytes(rng, rows)}
    data |= {".json": json.dumps(rows).encode(), ".xlsx": b"PK\x03\x04" + rng.randbytes(3000)}
    ending, content = rng.choice(
        [(name, other) for name in (".csv", ".jsonl", ".json", ".parquet") for other in data if name != other]
    )
    return Broken(write(folder / f"a{ending}", data[content]), [], fails=True)


def nothing(rng: random.Random, folder: Path, rows: Rows) -> Broken:
    ending = rng.choice([".csv", ".jsonl", ".json", ".parquet", ".csv.gz", ".jsonl.zst", ".json.gz"])
    return Broken(write(folder / f"a{ending}", rng.choice([b"", b"\n", b" ", b"\r\n\n", b"\xef\xbb\xbf"])), [], fails=True)


# ---- names ----


def outside(rng: random.Random, folder: Path, rows: Rows) -> Broken:
    inside = folder / "inside"
    inside.mkdir()
    write(folder / "x.csv", *as_csv(rows))
    names = [
        "../x.csv",
        "../../x",
        "deep/../../x.csv",
        str(folder / "x.csv"),
        "**/../../x.csv",
        "~/x.csv",
        "a\x00b",
        "x" * 5000,
    ]
    names += ["[", "a**b", "***", "\n", "."]
    return Broken(inside, [], {"files": rng.choice(names)}, fails=True)


def links(rng: random.Random, folder: Path, rows: Rows) -> Broken:
    inside = folder / "inside"
    inside.mkdir()
    write(folder / "x.csv", *as_csv(rows))
    write(inside / "a.csv", *as_csv(rows))
    kind = rng.choice(["file", "folder", "loop", "dangling", "fifo", "named"])
    if kind == "fifo":
        os.mkfifo(inside / "b.csv")
    elif kind == "folder":
        (inside / "b").symlink_to(folder)
    else:
        goal = {"loop": inside / "b.csv", "dangling": folder / "none"}.get(kind, folder / "x.csv")
        (inside / "b.csv").symlink_to(goal)
    pattern = {"folder": "b/*.csv", "named": "b.csv"}.get(kind, "**/*")
    fails = kind in ("file", "folder", "named")
    return Broken(inside, rows, {"files": pattern}, fails=fails)


WAYS = [
    *(truncated_packed, changed_packed, not_packed, truncated_text, changed_bytes, other_encoding, utf_16, cut_character),
    *(nul_bytes, byte_order_marks, line_ends, other_delimiter, header_wrong, no_header, ragged, stray_quotes, open_quote),
    *(closed_too_early, formulas, bad_lines, bad_lines, bad_lines, bad_list, bad_list, bad_items, lying_footer, lying_footer),
    *(lying_footer_length, changed_pages, cut_parquet, other_types, other_ending, nothing, outside, outside, links, links),
]
BIG_WAYS = [zip_bomb, zip_bomb, zip_bomb, huge_field, huge_field, huge_field]  # a second or more each
WAY_OF_CASE = [*BIG_WAYS, *(WAYS[at % len(WAYS)] for at in range(CASES - len(BIG_WAYS)))]


@contextmanager
def time_limit(seconds: int) -> Iterator[None]:
    def stop(*_: object) -> None:
        raise TimeoutError(f"still at work after {seconds} s")

    before = signal.signal(signal.SIGALRM, stop)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


def settings(path: Path, **changes: Any) -> Collect:
    base = load_params(ROOT / "params.yaml").collect.model_dump()
    base |= {"source": "table", "path": str(path), "label_column": "dx", "subgroup_columns": (), **changes}
    return Collect.model_validate(base)


def collect(broken: Broken) -> tuple[list[str], list[tuple[Any, ...]]]:
    """The texts of the records, and the quarantine; every row is in one of them."""
    texts: list[str] = []
    quarantined: list[tuple[Any, ...]] = []
    for piece in table.pieces(settings(broken.path, **broken.settings), "classification"):
        batch = piece.read()
        assert (batch.records.height + batch.quarantine.height) == piece.rows
        texts += batch.records["text"].to_list()
        quarantined += batch.quarantine.rows()
    return texts, quarantined


@pytest.mark.parametrize(("seed", "way"), enumerate(WAY_OF_CASE), ids=lambda value: getattr(value, "__name__", value))
def test_broken_input_ends_in_quarantine_or_a_data_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seed: int, way: Callable[[random.Random, Path, Rows], Broken]
) -> None:
    rng = random.Random(f"broken {seed}")
    big = way in BIG_WAYS
    broken = way(rng, tmp_path, good_rows(rng))
    monkeypatch.setattr(streams, "BLOCK_BYTES", 1 << 22 if big else rng.choice([5, 64, 1 << 22]))
    monkeypatch.setattr(table, "ROWS_PER_SHARD", rng.choice([1, 7, 10_000]))
    monkeypatch.setattr(table_cells, "SMALL_BYTES", rng.choice([0, 1 << 14]))
    with time_limit(SECONDS):
        try:
            texts, quarantined = collect(broken)
        except DataError as error:
            assert SECRET not in str(error)
            assert error.__cause__ is None
            assert error.__suppress_context__ or error.__context__ is None, "a traceback would quote what was read"
            return
    assert not broken.fails, "expected a DataError"
    assert SECRET not in str(quarantined)
    missing = {row["text"] for row in broken.intact} - set(texts)
    assert not missing, f"{len(missing)} of {len(broken.intact)} good rows are lost"


def test_one_broken_file_among_good_ones_is_named(tmp_path: Path) -> None:
    rng = random.Random(1)
    write(tmp_path / "a.csv", *as_csv(good_rows(rng)))
    write(tmp_path / "b.csv", *as_csv(good_rows(rng)), b'"open')
    write(tmp_path / "c.csv", *as_csv(good_rows(rng)))
    with pytest.raises(DataError, match=r"^b\.csv, row 31 "):
        collect(Broken(tmp_path, []))


# ---- time ----

GROWING: dict[str, Callable[[int], tuple[str, bytes]]] = {
    "only quotation marks": lambda size: ("a.csv", b"text,dx\n" + b'"' * size),
    "only stray quotation marks": lambda size: ("a.csv", b"text,dx\nx" + b'"' * size + b",flu\n"),
    "only line breaks": lambda size: ("a.csv", b"text,dx\nx,flu\n" + b"\n" * size),
    "only returns": lambda size: ("a.csv", b"text,dx\nx,flu\n" + b"\r" * size),
    "an open quotation mark": lambda size: ("a.csv", b'text,dx\n"' + b"x\n" * (size // 2)),
    "one long row": lambda size: ("a.csv", b"text,dx\n" + b"x" * size + b",flu\n"),
    "many fields": lambda size: ("a.csv", b"text,dx\n" + b"," * size),
    "one long line": lambda size: ("a.jsonl", b'{"text": "' + b"x" * size),
    "blank lines": lambda size: ("a.jsonl", b'{"text": "x", "dx": "flu"}\n' + b" \n" * (size // 8)),
    "deep json": lambda size: ("a.jsonl", b'{"text": "x", "dx": "flu"}\n' + b"[" * size),
    "a list of nothing": lambda size: ("a.json", b'[{"text": "x", "dx": "flu"}' + b",[]" * (size // 24) + b"]"),
    "an open list": lambda size: ("a.json", b"[" * size),
    "an open string in a list": lambda size: ("a.json", b'["' + b"\\" * size),
}


@pytest.mark.parametrize("case", GROWING)
def test_time_grows_no_faster_than_the_input(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, case: str) -> None:
    """Eight times the bytes: a quadratic reader would need 64 times as long."""
    monkeypatch.setattr(streams, "BLOCK_BYTES", 1 << 14)  # many blocks, as a large file has
    taken = []
    for size in (1 << 18, 1 << 21):
        name, data = GROWING[case](size)
        broken = Broken(write(tmp_path / name, data), [])
        begin = time.process_time()
        try:
            collect(broken)
        except DataError as error:
            assert str(error)
        taken.append(time.process_time() - begin)
    assert taken[1] < 20 * taken[0] + 0.2, taken
