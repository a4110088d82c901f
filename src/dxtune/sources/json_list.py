"""The items of a json list, each as a line, so that they are read as json lines are."""

import json
import re
from collections.abc import Iterator

import numpy as np

from dxtune.errors import DataError
from dxtune.sources.pieces import Place, Rows
from dxtune.sources.streams import blocks, without_bom
from dxtune.sources.table_cells import kind_of, parse, wrong_encoding
from dxtune.sources.table_files import File

MAX_JSON_BYTES = 200_000_000  # of a json list, which is in memory as a whole
ITEMS = 1000  # in a chunk
SPACE = re.compile(r"[ \t\n\r]*")


def list_items(file: File) -> Iterator[Rows]:
    """The items of the list. The file is in memory as a whole; what is made of it is not.

    Raises DataError where it is too large, no list, or broken anywhere.
    """
    data = bytearray()
    for block in without_bom(blocks(file.path, file.name))[1]:
        data += block
        if len(data) > MAX_JSON_BYTES:
            raise DataError(
                f"{file.name}: expected a json list of up to {MAX_JSON_BYTES // 1_000_000} MB, found a larger one: "
                "export json lines (.jsonl), which are read piece by piece"
            )
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError:
        raise wrong_encoding(file, bytes(data), Place()) from None
    del data
    at = _behind_space(text, 0)
    if text[at : at + 1] != "[":
        value = parse(text.encode())
        raise DataError(
            f"{file.name}: expected a json list of objects, found {kind_of(value)}: export a list, or name json lines .jsonl"
        )
    decoder = json.JSONDecoder()
    at, items = _behind_space(text, at + 1), list[bytes]()
    more = text[at : at + 1] != "]"
    while more:
        try:
            _, end = decoder.raw_decode(text, at)
        except (ValueError, RecursionError):
            raise _broken_list(file) from None
        items.append(text[at:end].replace("\n", " ").replace("\r", " ").encode() + b"\n")  # inside strings they are escaped
        at = _behind_space(text, end)
        more = text[at : at + 1] == ","
        if not more and text[at : at + 1] != "]":
            raise _broken_list(file)
        at = _behind_space(text, at + 1) if more else at
        if len(items) == ITEMS or not more:
            yield Rows(b"".join(items), np.cumsum([len(item) for item in items]))
            items = []
    if _behind_space(text, at + 1) < len(text):
        raise _broken_list(file)


def _behind_space(text: str, at: int) -> int:
    match = SPACE.match(text, at)
    return match.end() if match else at


def _broken_list(file: File) -> DataError:
    return DataError(
        f"{file.name}: expected a json list of objects, found broken json: export a list, or name json lines .jsonl"
    )
