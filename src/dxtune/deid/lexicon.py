"""What is known of 300,000 words: how common each is in English, as a name, as a place, in clinical language.

lexicon.tsv.xz is made by build_lexicon.py from openly licensed sources, which its first lines name. Here it becomes one
table of 64-bit entries: the upper bits tell words apart, the lower ones hold what is known, so that a word costs one look.
"""

import hashlib
import lzma
from functools import cache
from pathlib import Path
from typing import NamedTuple

import numpy as np

from dxtune.deid.grammar import word_codes
from dxtune.deid.tokens import Bytes, Hashes, Ints, hash_stretches, hash_words

FILE = Path(__file__).parent / "lexicon.tsv.xz"
FLAGS = "deamwo"  # drug, eponym, abbreviation, month, weekday, organism
_BITS = {"english": 4, "capital": 3, "surname": 3, "first": 3, "place": 3, "clinical": 3, "flags": 6, "kind": 5, "code": 8}
KNOWN = (1 << 25) - 1
"""The bits of an entry that come from the lexicon itself; above them stand the kind of the word and its class in the
grammar."""
_WIDTH = sum(_BITS.values())
_SLOTS = 1 << 20
_CHUNK = 1 << 18


# What a word is, in one small number: for the neighbours' sake.
(UNKNOWN, FUNCTION, COMMON, WORD_AND_NAME, FIRST, SURNAME, BOTH_NAMES, PLACE, PROPER, RARE, RARE_NAME, NAME_ONLY, MEDICAL, SOME_MEDICAL, MEDICAL_NAME, DRUG, ABBREVIATION, PLACE_NAME) = range(18)  # fmt: skip  # noqa: E501


class Entry(NamedTuple):
    """What is known of a word. english 0-8, capital 0-4, surname and first 0-7, place 0-5, clinical 0-5; letters of FLAGS."""

    english: int
    capital: int
    surname: int
    first: int
    place: int
    clinical: int
    flags: str


def _lines() -> list[str]:
    text = lzma.decompress(FILE.read_bytes()).decode("utf-8")
    return [line for line in text.split("\n") if line and not line.startswith("#")]


@cache
def entries() -> dict[str, Entry]:
    """Every word and what is known of it. For building and training: it takes a second and much memory."""
    rows = (line.split("\t") for line in _lines())
    return {row[0]: Entry(int(row[1]), int(row[2]), int(row[3]), int(row[4]), int(row[5]), int(row[6]), row[7]) for row in rows}


@cache
def version() -> str:
    """The first 12 digits of the lexicon's sha256."""
    return hashlib.sha256(FILE.read_bytes()).hexdigest()[:12]


@cache
def _table() -> Hashes:
    data = lzma.decompress(FILE.read_bytes())
    data = data[data.index(b"\n", data.rindex(b"\n#") + 1) + 1 :]
    parts = [_columns(data[start:end]) for start, end in _pieces(data)]
    hashes, known = (np.concatenate([part[side] for part in parts]) for side in (0, 1))
    hashes, known = _with_codes(hashes, known)
    known |= kinds(known.astype(np.int64)).astype(np.uint64) << np.uint64(25)
    table = np.zeros(_SLOTS, np.uint64)
    entry = (hashes >> np.uint64(_WIDTH) << np.uint64(_WIDTH)) | known
    slot = (hashes & np.uint64(_SLOTS - 1)).astype(np.int64)
    while len(slot):
        free = np.flatnonzero(table[slot] == 0)
        _, one_each = np.unique(slot[free], return_index=True)
        placed = free[one_each]
        table[slot[placed]] = entry[placed]
        later = np.ones(len(slot), bool)
        later[placed] = False
        slot, entry = (slot[later] + 1) % _SLOTS, entry[later]
    return table


def _pieces(data: bytes) -> list[tuple[int, int]]:
    """Where to cut the file: pieces of whole lines, small enough for memory."""
    cuts = [0]
    while len(data) - cuts[-1] > _CHUNK:
        cuts.append(data.rindex(b"\n", cuts[-1], cuts[-1] + _CHUNK) + 1)
    return list(zip(cuts, [*cuts[1:], len(data)], strict=True))


def _columns(data: bytes) -> tuple[Hashes, Hashes]:
    """The hash of each word of some lines, and what is known of it, packed."""
    codes = np.frombuffer(data, np.uint8)
    ends = np.flatnonzero(codes == ord("\n"))
    starts = np.append(0, ends[:-1] + 1)
    tabs = np.flatnonzero(codes == ord("\t")).reshape(-1, 7)
    known = np.zeros(len(ends), np.uint64)
    shift = 0
    for place, bits in enumerate((4, 3, 3, 3, 3, 3)):
        known |= (codes[tabs[:, place] + 1] - 48).astype(np.uint64) << np.uint64(shift)
        shift += bits
    flag = np.zeros(256, np.uint64)
    flag[[ord(letter) for letter in FLAGS]] = [1 << place for place in range(len(FLAGS))]
    flags = np.zeros(len(ends), np.uint64)
    for step in range(len(FLAGS)):
        at = tabs[:, 6] + 1 + step
        flags |= np.where(at < ends, flag[codes[np.minimum(at, len(codes) - 1)]], np.uint64(0))
    hashes = hash_stretches(codes, starts, tabs[:, 0])
    odd = np.flatnonzero(np.maximum.reduceat(codes, starts) > 127)
    if len(odd):
        hashes[odd] = hash_words([data[starts[row] : tabs[row, 0]].decode("utf-8") for row in odd.tolist()])
    return hashes, known | flags << np.uint64(shift)


def _with_codes(hashes: Hashes, known: Hashes) -> tuple[Hashes, Hashes]:
    """The entries, with the class that a word has in the grammar; words that only the grammar knows are added."""
    words = word_codes()
    forms = sorted(words)
    codes = np.array([ord(words[form]) for form in forms], np.uint64) << np.uint64(30)
    own = hash_words(forms)
    order = np.argsort(hashes)
    place = np.minimum(np.searchsorted(hashes, own, sorter=order), len(hashes) - 1)
    found = hashes[order[place]] == own
    known = known.copy()
    known[order[place[found]]] |= codes[found]
    return np.concatenate([hashes, own[~found]]), np.concatenate([known, codes[~found]])


def look_up(words: Hashes) -> Ints:
    """What is known of each word, packed; 0 of an unknown one. See `column`."""
    table = _table()
    result = np.zeros(len(words), np.int64)
    rows = np.arange(len(words))
    slot = (words & np.uint64(_SLOTS - 1)).astype(np.int64)
    tag = words >> np.uint64(_WIDTH)
    while len(rows):
        found = table[slot]
        hit = (found >> np.uint64(_WIDTH)) == tag
        result[rows[hit]] = (found[hit] & np.uint64((1 << _WIDTH) - 1)).astype(np.int64)
        on = ~hit & (found != 0)
        rows, slot, tag = rows[on], (slot[on] + 1) % _SLOTS, tag[on]
    return result


def column(packed: Ints, name: str) -> Ints:
    """One column of what `look_up` gave: `english`, ..., or `flags` as bits in the order of FLAGS."""
    names = list(_BITS)
    shift = sum(_BITS[before] for before in names[: names.index(name)])
    return (packed >> shift) & ((1 << _BITS[name]) - 1)


def kinds(known: Ints) -> Bytes:
    """The kind of each word, UNKNOWN to PLACE_NAME, from what the columns say of it."""
    english, capital, surname, first, place, clinical, flags = (
        column(known, name) for name in ("english", "capital", "surname", "first", "place", "clinical", "flags")
    )
    name = np.maximum(surname, first)
    proper = capital >= 3
    return np.select(
        [
            known & KNOWN == 0,
            (flags & 0b000001 > 0) & (name <= 2),
            (clinical >= 3) & (name == 0),
            (english >= 6) & ~proper & (name <= 5),
            (english >= 4) & ~proper & (name <= 3),
            (english >= 4) & ~proper,
            (clinical >= 2) & (name >= 1) & ~(proper & (english >= 3)),
            (clinical >= 1) & (name == 0),
            (first >= 4) & (surname >= 4),
            first >= 4,
            (place >= 3) & (name <= 3),
            surname >= 3,
            (flags & 0b000100 > 0),
            (place >= 1) & (english <= 3),
            proper & (english >= 1),
            (english >= 1) & (name == 0),
            english >= 1,
            name >= 1,
        ],
        [UNKNOWN, DRUG, MEDICAL, FUNCTION, COMMON, WORD_AND_NAME, MEDICAL_NAME, SOME_MEDICAL, BOTH_NAMES, FIRST, PLACE, SURNAME, ABBREVIATION, PLACE_NAME, PROPER, RARE, RARE_NAME, NAME_ONLY],  # noqa: E501
        RARE,
    ).astype(np.uint8)  # fmt: skip
