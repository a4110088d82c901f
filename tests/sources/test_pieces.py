"""Where rows end, and how files become pieces: against Python's own csv reader, for any blocks and any piece size."""

import csv
import gzip
import io
import pickle
from collections.abc import Iterator
from itertools import chain
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dxtune.errors import DataError
from dxtune.sources import pieces, row_ends, streams
from dxtune.sources.pieces import Place, Segment, pack
from dxtune.sources.row_ends import csv_rows, line_rows, without_first

CELLS = st.text(st.one_of(st.sampled_from("\",\n\r 'ab;é\u2028\u0085"), st.characters(exclude_categories=["Cs"])))
TABLES = st.integers(1, 4).flatmap(lambda width: st.lists(st.lists(CELLS, min_size=width, max_size=width), max_size=12))
SIZES = st.integers(1, 40)


def parse(data: bytes) -> list[list[str]]:
    return [row for row in csv.reader(io.StringIO(data.decode(), newline=""), strict=True) if row]


def cut(data: bytes, size: int) -> Iterator[bytes]:
    return (data[at : at + size] for at in range(0, len(data), size))


def segments(data: bytes, block: int, rows: int) -> list[Segment[str]]:
    return list(chain.from_iterable(pack([("file", Place(), csv_rows(cut(data, block), "file"))], rows)))


@given(table=TABLES, ending=st.sampled_from(["\n", "\r\n", "\r"]), quoting=st.sampled_from([0, 1]), block=SIZES, rows=SIZES)
def test_what_csv_writer_wrote_comes_back_from_pieces_of_any_size(
    table: list[list[str]], ending: str, quoting: int, block: int, rows: int
) -> None:
    text = io.StringIO(newline="")
    csv.writer(text, lineterminator=ending, quoting=quoting).writerows(table)
    data = text.getvalue().encode()
    found = segments(data, block, rows)
    assert [row for segment in found for row in parse(segment.data)] == parse(data)
    assert all(segment.rows == rows for segment in found[:-1]), "all pieces but the last are full"
    assert [len(parse(segment.data)) for segment in found] == [segment.rows for segment in found]


@settings(max_examples=400)
@given(text=st.text(st.sampled_from('ab",\n\r ')), block=SIZES, rows=SIZES)
def test_stray_quotation_marks_are_read_as_python_reads_them(text: str, block: int, rows: int) -> None:
    data = text.encode()
    found = segments(data, block, rows)
    try:
        whole = parse(data)
    except csv.Error:
        with pytest.raises(csv.Error):  # the piece with the broken row says so, and those before it are whole
            [parse(segment.data) for segment in found]
        return
    assert [row for segment in found for row in parse(segment.data)] == whole
    assert [len(parse(segment.data)) for segment in found] == [segment.rows for segment in found]


@given(
    lines=st.lists(st.text(st.sampled_from('ab"{\r\t \u00a0\u2028é')), max_size=20),
    block=SIZES,
    rows=SIZES,
    ended=st.booleans(),
)
def test_lines_come_back_and_blank_ones_are_no_rows(lines: list[str], block: int, rows: int, ended: bool) -> None:
    data = ("\n".join(lines) + "\n" * ended).encode()
    found = list(chain.from_iterable(pack([("file", Place(), line_rows(cut(data, block), "file"))], rows)))
    told = [line for segment in found for line in segment.data.split(b"\n") if line.strip()]
    assert told == [line.encode() for line in lines if line.encode().strip()]
    assert [segment.rows for segment in found] == [
        sum(1 for line in segment.data.split(b"\n") if line.strip()) for segment in found
    ]


def test_a_piece_says_where_it_stands_in_the_file() -> None:
    data = b'text,dx\r\n"a\nb",flu\r\n\r\nc,flu\r\nd,flu'
    head, rows = without_first(csv_rows(cut(data, 5), "file"))
    assert head == b"text,dx\r\n"
    first, second = chain.from_iterable(pack([("file", Place().behind(head, 0), rows)], 2))
    assert first.start == (0, 1, 9)
    assert second.start == (2, 5, data.index(b"d,flu"))
    assert (first.data + second.data, first.rows, second.rows) == (data[9:], 2, 1)


def test_regular_quoting_is_told_from_other() -> None:
    good, stray, after = b'"a, ""b""",c\n' * 3, b'5" needle,c\n', b'"a" b,c\n'
    for block in range(1, 60):
        assert all(segment.regular for segment in segments(good, block, 2)), block
        assert not all(segment.regular for segment in segments(good + stray + good, block, 2)), block
        assert not all(segment.regular for segment in segments(good + after + good, block, 2)), block


def test_many_small_files_fill_a_piece_and_rows_added_at_the_end_leave_full_pieces_alone() -> None:
    def packed(files: int, last: int) -> list[list[Segment[int]]]:
        sizes = [1] * (files - 1) + [last]
        rows = [(number, Place(), csv_rows([b"x,y\n" * size], "f")) for number, size in enumerate(sizes)]
        return list(pack(rows, 10))

    before, after = packed(25, 1), packed(25, 7)
    assert [sum(segment.rows for segment in piece) for piece in before] == [10, 10, 5]
    assert [sum(segment.rows for segment in piece) for piece in after] == [10, 10, 10, 1]
    assert after[:2] == before[:2]


def test_long_rows_end_a_piece_before_it_is_full(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pieces, "PIECE_BYTES", 10)
    for block in (1, 3, 100):
        found = [
            [segment.data for segment in piece]
            for piece in pack([("f", Place(), csv_rows(cut(b"aaaa\nbbbb\ncccc\n" + b"d" * 30, block), "f"))], 9)
        ]
        assert found == [[b"aaaa\nbbbb\n"], [b"cccc\n"], [b"d" * 30]], block


def test_a_row_without_an_end_is_an_error_and_is_scanned_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(row_ends, "MAX_ROW_BYTES", 1000)
    with pytest.raises(DataError, match=r"f, row 1: expected a row of up to .* found no end to it"):
        list(csv_rows(cut(b'a,b\n"open' + b"x\n" * 1000, 64), "f"))
    with pytest.raises(DataError, match=r"f, row 3: expected a row"):
        list(line_rows(cut(b"{}\n{}\n" + b"x" * 2000, 64), "f"))


# ---- bytes of files ----


def compressed(path: Path, data: bytes) -> Path:
    if path.suffix == ".gz":
        path.write_bytes(gzip.compress(data, mtime=0))
    else:
        with pa.CompressedOutputStream(str(path), "zstd") as stream:
            stream.write(data)
    return path


@pytest.mark.parametrize("codec", [".gz", ".zst"])
def test_packed_files_are_read_as_streams_also_of_several_members(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, codec: str
) -> None:
    data = bytes(range(256)) * 500
    path = compressed(tmp_path / f"a.csv{codec}", data)
    path.write_bytes(path.read_bytes() * 2)
    monkeypatch.setattr(streams, "BLOCK_BYTES", 1000)
    found = list(streams.blocks(path, "a"))
    assert b"".join(found) == data * 2
    assert max(map(len, found)) <= 1000


@pytest.mark.parametrize("codec", [".gz", ".zst"])
def test_cut_or_foreign_packed_files_are_errors(tmp_path: Path, codec: str) -> None:
    whole = compressed(tmp_path / f"a.csv{codec}", b"".join(b"%d,x\n" % number for number in range(20_000))).read_bytes()
    path = tmp_path / f"b.csv{codec}"
    cases = [whole[: len(whole) // 2], whole[:-1], whole[:3], b"SECRET" * 100]
    if codec == ".gz":  # has a checksum always; zstd only where its maker was told so (the program zstd is, Arrow is not)
        cases.append(whole[:2000] + b"SECRET" + whole[2006:])
    for broken in cases:
        path.write_bytes(broken)
        with pytest.raises(DataError, match=r"b: expected .* data, found other or cut data") as caught:
            list(streams.blocks(path, "b"))
        assert "SECRET" not in str(caught.value)


@pytest.mark.parametrize("codec", [".gz", ".zst"])
def test_a_zip_bomb_is_refused_before_it_has_expanded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, codec: str) -> None:
    monkeypatch.setattr(streams, "FREE_EXPANSION", 1 << 16)
    monkeypatch.setattr(streams, "BLOCK_BYTES", 1 << 16)
    path = compressed(tmp_path / f"a.csv{codec}", b"a" * (1 << 25))
    got = 0
    with pytest.raises(DataError, match="expands up to 100 times, found more"):
        for block in streams.blocks(path, "a"):
            got += len(block)
    assert got < 1 << 24


def test_segments_can_be_sent_to_another_process() -> None:
    (segment,) = segments(b"a,b\n", 2, 2)
    assert pickle.loads(pickle.dumps(segment)) == segment
