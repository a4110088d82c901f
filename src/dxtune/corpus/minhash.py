"""Near duplicates: notes that share most of their runs of five words, found without comparing every pair.

MinHash (Broder 1997) with banding (Leskovec, Rajaraman and Ullman, Mining of Massive Datasets, section 3.4). A note is read
once, for a signature; notes that agree in all rows of a band are compared by one byte of each signature value (b-bit
minwise hashing, Li and Koenig 2010), so that a note costs under 300 bytes of memory, whatever its length.
"""

from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from hashlib import blake2b
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import polars as pl

WORDS = 5  # in one shingle
SIMILARITY = 0.8  # Jaccard, from which two notes are near duplicates
BANDS, ROWS = 21, 6  # two notes with Jaccard 0.8 meet with probability 0.998, with 0.7 in 0.93, with 0.3 in 0.02
SEED = 13
_ODD = np.uint64(0x9E3779B97F4A7C15)
Places = npt.NDArray[np.int64]


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


class Signatures(NamedTuple):
    """Of each note whether it has a signature, its bands, (notes, BANDS), and its sketch, (notes, BANDS * ROWS)."""

    there: npt.NDArray[np.bool_]
    bands: npt.NDArray[np.uint64]
    sketches: npt.NDArray[np.uint8]


def unpack(signed: Iterable[pl.DataFrame], notes: int) -> Signatures:
    """The signatures of all notes from the frames of `sign`, one after another: 300 bytes a note."""
    there, bands = np.zeros(notes, bool), np.zeros((notes, BANDS), np.uint64)
    sketches = np.zeros((notes, BANDS * ROWS), np.uint8)
    start = 0
    for frame in signed:
        rows = start + np.flatnonzero(frame["sketch"].is_not_null().to_numpy())
        some, start = frame.drop_nulls(), start + frame.height
        there[rows] = True
        bands[rows] = np.frombuffer(b"".join(some["bands"].to_list()), "<u8").reshape(-1, BANDS)
        sketches[rows] = np.frombuffer(b"".join(some["sketch"].to_list()), np.uint8).reshape(-1, BANDS * ROWS)
    return Signatures(there, bands, sketches)


def cluster(signatures: Signatures, order: pl.Series, similarity: float, workers: int = 1) -> pl.Series:
    """`cluster` of each note: the position in `order` of its first member, the same for near duplicates; alone, its own.

    order: a unique value a note (its id), so that the order of notes does not matter. Of equal signatures the first stands for
    all. In each band every note is compared with the first note that agrees with it and with the one just before it, so the
    cost grows with the notes, not with their pairs; links are then joined transitively.
    """
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    by_order = order.arg_sort().to_numpy()
    rows = by_order[signatures.there[by_order]]  # with a signature, in `order`
    own = np.empty(len(order), np.int64)
    own[by_order] = np.arange(len(order))
    if len(rows) < 2:
        return pl.Series("cluster", own)
    first, copy = _firsts(_folded(signatures.bands)[rows])
    notes = rows[first]
    with ThreadPoolExecutor(workers) as pool:
        links = list(pool.map(lambda band: _links(signatures, notes, band, similarity), range(BANDS)))
    ends = (np.concatenate([left for left, _ in links]), np.concatenate([right for _, right in links]))
    graph = coo_array((np.ones(len(ends[0]), np.int8), ends), shape=(len(notes), len(notes)))
    _, component = connected_components(graph, directed=False)
    first_of = np.full(component.max() + 1, len(notes))
    np.minimum.at(first_of, component, np.arange(len(notes)))
    own[rows] = own[notes[first_of[component[copy]]]]
    return pl.Series("cluster", own)


def _links(signatures: Signatures, notes: Places, band: int, similarity: float) -> tuple[Places, Places]:
    """The pairs of notes, by their places in `notes`, that agree in a band and are alike."""
    values = signatures.bands[notes, band]
    ranked = np.argsort(values, kind="stable")
    values = values[ranked]
    starts = np.flatnonzero(np.concatenate([[True], values[1:] != values[:-1]]))
    head = np.repeat(starts, np.diff([*starts, len(values)]))
    later = np.flatnonzero(head != np.arange(len(values)))
    pairs = []
    for other in (head[later], later - 1):
        alike = _similar(signatures.sketches, notes[ranked[later]], notes[ranked[other]], similarity)
        pairs.append((ranked[later][alike], ranked[other][alike]))
    return np.concatenate([pairs[0][0], pairs[1][0]]), np.concatenate([pairs[0][1], pairs[1][1]])


def _folded(bands: npt.NDArray[np.uint64]) -> npt.NDArray[np.uint64]:
    """One number for the bands of each note: equal for equal ones."""
    folded = np.zeros(len(bands), np.uint64)
    for band in range(BANDS):
        folded = (folded ^ (folded >> np.uint64(29))) * _ODD + bands[:, band]
    return folded


def _firsts(values: npt.NDArray[np.uint64]) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Where each value stands first, in order; and of each place which of these has its value.

    >>> _firsts(np.array([7, 5, 7, 9], np.uint64))
    (array([0, 1, 3]), array([0, 1, 0, 2]))
    """
    _, at, number = np.unique(values, return_index=True, return_inverse=True)
    return np.sort(at), np.argsort(np.argsort(at))[number]


def _similar(sketches: np.ndarray, left: np.ndarray, right: np.ndarray, similarity: float) -> np.ndarray:
    """Whether the estimated Jaccard similarity of each pair reaches `similarity`; chance agreement of a byte is taken out."""
    alike = np.empty(len(left), bool)
    for start in range(0, len(left), 100_000):
        part = slice(start, start + 100_000)
        share = (sketches[left[part]] == sketches[right[part]]).mean(axis=1)
        alike[part] = (share - 1 / 256) / (1 - 1 / 256) >= similarity - 1e-9
    return alike
