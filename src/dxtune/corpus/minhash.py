"""Near duplicates: notes that share most of their runs of five words, found without comparing every pair.

MinHash (Broder 1997) with banding (Leskovec, Rajaraman and Ullman, Mining of Massive Datasets, section 3.4). A note is read
once, for a signature; notes that agree in all rows of a band are compared by one byte of each signature value (b-bit
minwise hashing, Li and Koenig 2010), so that a note costs under 300 bytes of memory, whatever its length.
"""

from hashlib import blake2b
from typing import Any

import numpy as np
import polars as pl

WORDS = 5  # in one shingle
SIMILARITY = 0.8  # Jaccard, from which two notes are near duplicates
BANDS, ROWS = 21, 6  # two notes with Jaccard 0.8 meet with probability 0.998, with 0.7 in 0.93, with 0.3 in 0.02
SEED = 13
_ODD = np.uint64(0x9E3779B97F4A7C15)


def shingle(texts: pl.Series) -> tuple[np.ndarray, np.ndarray]:
    """Hashes of each text's runs of WORDS words, flat (uint64), and where each text's begin and end (texts + 1 offsets).

    Case and punctuation do not count. A text of fewer words has no shingle.

    >>> shingle(pl.Series(["a b c d e f", "A b, c d e.", "short"]))[1].tolist()
    [0, 2, 3, 3]
    """
    split = texts.fill_null("").str.to_lowercase().str.extract_all(r"\w+")
    words = pl.DataFrame({"at": pl.int_range(texts.len(), eager=True), "word": split}).explode("word").drop_nulls()
    if words.height < WORDS:
        return np.empty(0, np.uint64), np.zeros(texts.len() + 1, np.uint64)
    distinct = words["word"].unique(maintain_order=True)
    digests = b"".join(blake2b(word.encode(), digest_size=8).digest() for word in distinct)
    hashes = np.frombuffer(digests, "<u8").astype(np.uint64)[words["word"].cast(pl.Enum(distinct)).to_physical().to_numpy()]
    at = words["at"].to_numpy()
    count = len(hashes) - WORDS + 1
    mixed = np.zeros(count, np.uint64)
    for offset in range(WORDS):
        mixed = (mixed ^ (mixed >> np.uint64(29))) * _ODD + hashes[offset : offset + count]
    whole = at[:count] == at[WORDS - 1 :]  # a run does not go from one text into the next
    per_text = np.bincount(at[:count][whole], minlength=texts.len())
    return mixed[whole], np.concatenate([[0], np.cumsum(per_text)]).astype(np.uint64)


def sign(notes: pl.DataFrame) -> pl.DataFrame:
    """The notes' `bands` (BANDS uint64) and `sketch` (BANDS * ROWS bytes) as Binary; null where a text has no shingle."""
    from rensa import RMinHash

    shingles, offsets = shingle(notes["text"])
    matrix = RMinHash.digest_matrix_from_flat_token_hashes(shingles, offsets, BANDS * ROWS, SEED)
    values = np.array(matrix.to_rows(), dtype=np.uint64).reshape(notes.height, BANDS * ROWS)
    bands = np.zeros((notes.height, BANDS), np.uint64)
    for row in range(ROWS):
        bands = (bands ^ (bands >> np.uint64(29))) * _ODD + values[:, row::ROWS]
    sketch = (values & np.uint64(255)).astype(np.uint8)
    empty = (np.diff(offsets.astype(np.int64)) == 0).tolist()
    return pl.DataFrame(
        {
            "bands": [None if none else row.tobytes() for none, row in zip(empty, bands.astype("<u8"), strict=True)],
            "sketch": [None if none else row.tobytes() for none, row in zip(empty, sketch, strict=True)],
        },
        schema={"bands": pl.Binary, "sketch": pl.Binary},
    )


def cluster(signatures: pl.DataFrame, order: pl.Series, similarity: float) -> pl.Series:
    """`cluster` of each row: the position in `order` of its first member, the same for near duplicates; alone, its own.

    signatures: `bands` and `sketch`. order: a unique value a note (its id), so that the order of rows does not matter. In each
    band every note is compared with the first note that agrees with it and with the one just before it, so the cost grows with
    the notes, not with their pairs; links are then joined transitively.
    """
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    by_order = order.arg_sort().to_numpy()
    rows = by_order[signatures["sketch"].is_not_null().to_numpy()[by_order]]  # with a signature, in `order`
    own = np.empty(len(order), np.int64)
    own[by_order] = np.arange(len(order))
    if len(rows) < 2:
        return pl.Series("cluster", own)
    picked = signatures[rows]
    bands = _matrix(picked["bands"], np.dtype("<u8"))
    sketches = _matrix(picked["sketch"], np.dtype(np.uint8))
    left, right = [np.empty(0, np.int64)], [np.empty(0, np.int64)]
    for band in range(BANDS):
        ranked = np.argsort(bands[:, band], kind="stable")
        values = bands[ranked, band]
        starts = np.flatnonzero(np.concatenate([[True], values[1:] != values[:-1]]))
        first = np.repeat(starts, np.diff([*starts, len(values)]))
        later = np.flatnonzero(first != np.arange(len(values)))
        for other in (first[later], later - 1):
            alike = _similar(sketches, ranked[later], ranked[other], similarity)
            left.append(ranked[later][alike])
            right.append(ranked[other][alike])
    ends = (np.concatenate(left), np.concatenate(right))
    links = coo_array((np.ones(len(ends[0]), np.int8), ends), shape=(len(rows), len(rows)))
    _, component = connected_components(links, directed=False)
    first_of = np.full(component.max() + 1, len(rows))
    np.minimum.at(first_of, component, np.arange(len(rows)))
    own[rows] = own[rows[first_of[component]]]
    return pl.Series("cluster", own)


def _matrix(values: pl.Series, kind: np.dtype[Any]) -> np.ndarray:
    """Binary values of one length, a row each."""
    return np.frombuffer(values.to_arrow().buffers()[2], kind).reshape(len(values), -1)


def _similar(sketches: np.ndarray, left: np.ndarray, right: np.ndarray, similarity: float) -> np.ndarray:
    """Whether the estimated Jaccard similarity of each pair reaches `similarity`; chance agreement of a byte is taken out."""
    alike = np.empty(len(left), bool)
    for start in range(0, len(left), 100_000):
        part = slice(start, start + 100_000)
        share = (sketches[left[part]] == sketches[right[part]]).mean(axis=1)
        alike[part] = (share - 1 / 256) / (1 - 1 / 256) >= similarity - 1e-9
    return alike
