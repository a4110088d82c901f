"""The bytes of a file as blocks, decompressed as they are read: memory holds a block, never the file."""

import gzip
import zlib
from collections.abc import Iterator
from contextlib import closing
from itertools import chain
from pathlib import Path
from typing import IO, Any

import pyarrow as pa

from dxtune.errors import DataError

BLOCK_BYTES = 1 << 22
CODECS = {".gz": "gzip", ".zst": "zstd"}
MAX_EXPANSION = 100  # times its size; clinical text shrinks 3 to 10 times, a zip bomb 1,000 times
FREE_EXPANSION = 1 << 26  # bytes that any file may expand to
BOM = b"\xef\xbb\xbf"


def kind(path: Path) -> tuple[str, str]:
    """The ending that says the format, and the one that says the compression ("": none), in lower case.

    >>> kind(Path("notes.CSV")), kind(Path("notes.2024.jsonl.gz")), kind(Path("a.zst"))
    (('.csv', ''), ('.jsonl', '.gz'), ('', '.zst'))
    """
    suffixes = [suffix.lower() for suffix in path.suffixes]
    codec = suffixes.pop() if suffixes and suffixes[-1] in CODECS else ""
    return (suffixes[-1] if suffixes else ""), codec


def stem(path: Path) -> str:
    """The file's name without format and compression.

    >>> stem(Path("notes.csv")), stem(Path("notes.2024.csv.gz"))
    ('notes', 'notes.2024')
    """
    return Path(path.stem).stem if path.suffix.lower() in CODECS else path.stem


def blocks(path: Path, name: str) -> Iterator[bytes]:
    """The file's bytes, unpacked where it ends in .gz or .zst, up to BLOCK_BYTES at a time; none is empty.

    Raises DataError, with `name` for the file, where it cannot be read, is cut, or expands like a zip bomb.
    """
    codec = kind(path)[1]
    try:
        packed = path.stat().st_size
        made = 0
        with closing(_open(path, codec)) as stream:
            while block := stream.read(BLOCK_BYTES):
                made += len(block)
                if codec and made > FREE_EXPANSION + MAX_EXPANSION * packed:
                    raise DataError(
                        f"{name}: expected {CODECS[codec]} data that expands up to {MAX_EXPANSION} times, found more: "
                        "if it is not a zip bomb, unpack it"
                    )
                yield block
    except (OSError, EOFError, zlib.error, pa.ArrowException) as error:
        if isinstance(error, PermissionError | FileNotFoundError) or not codec:
            raise DataError(f"{name}: expected a file that can be read, found none ({type(error).__name__})") from None
        raise DataError(f"{name}: expected {CODECS[codec]} data, found other or cut data: copy or export it again") from None


def _open(path: Path, codec: str) -> IO[bytes] | Any:
    if codec == ".gz":
        return gzip.open(path)
    return pa.CompressedInputStream(str(path), "zstd") if codec else path.open("rb")


def without_bom(stream: Iterator[bytes]) -> tuple[int, Iterator[bytes]]:
    """How many bytes the UTF-8 byte order mark has (0: there is none), and the stream without it.

    >>> mark, rest = without_bom(iter([b"\\xef\\xbb", b"\\xbfa", b"b"]))
    >>> mark, list(rest)
    (3, [b'a', b'b'])
    """
    head = b""
    for block in stream:
        head += block
        if len(head) >= len(BOM):
            break
    mark = len(BOM) if head.startswith(BOM) else 0
    return mark, chain([head[mark:]] if head[mark:] else [], stream)
