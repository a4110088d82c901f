"""Names that are carried between notes of a patient which stand in different shards of a corpus.

A name in strong context in one note is masked in all notes of its patient (engine). Where these are looked at in several
batches, each batch tells its sure names and asks for those of the others, as tags: SipHash-2-4 of patient and word under a
key that is derived from the key of de-identification. Who has not the key learns nothing from a tag.
"""

import hmac
import itertools
from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt
import polars as pl

from dxtune.deid.tokens import Hashes, Ints

NAMES = {"look": pl.UInt16, "patient": pl.UInt64, "tag": pl.UInt64}
"""One row a word of a patient that is surely a name. look: at which look at the notes, ROUND for each turn of the votes."""
FIRST = pl.col("look") == 0
ASKED = {"patient": pl.UInt64, "tag": pl.UInt64}
"""One row a word of a patient that would be masked, at the first look, if it were a name elsewhere; ordered by tag."""
ROUND = 256
Mask = npt.NDArray[np.bool_]


def siphash(key: bytes, *words: Hashes) -> Hashes:
    """SipHash-2-4 with a key of 16 bytes (Aumasson and Bernstein 2012), of messages of so many 8-byte words, elementwise.

    >>> key, word = bytes(range(16)), np.frombuffer(bytes(range(8)), "<u8")  # the test vectors of the paper's authors
    >>> siphash(key, word).tobytes().hex(), siphash(key, word, word + np.uint64(0x0808080808080808)).tobytes().hex()
    ('6224939a79f5f593', 'db9bc2577fcc2a3f')
    """
    k0, k1 = np.frombuffer(key, "<u8")
    start = (0x736F6D6570736575, 0x646F72616E646F6D, 0x6C7967656E657261, 0x7465646279746573)
    a, b, c, d = (np.full(len(words[0]), np.uint64(s) ^ part) for s, part in zip(start, (k0, k1, k0, k1), strict=True))
    for word in (*words, np.full(1, 8 * len(words) << 56, np.uint64)):
        a, b, c, d = _round(*_round(a, b, c, d ^ word))
        a = a ^ word
    a, b, c, d = _round(*_round(*_round(*_round(a, b, c ^ np.uint64(0xFF), d))))
    return np.asarray(a ^ b ^ c ^ d)


def _round(a: Hashes, b: Hashes, c: Hashes, d: Hashes) -> tuple[Hashes, Hashes, Hashes, Hashes]:
    a, c = a + b, c + d
    b, d = _turn(b, 13) ^ a, _turn(d, 16) ^ c
    a, c = _turn(a, 32) + d, c + b
    b, d = _turn(b, 17) ^ c, _turn(d, 21) ^ a
    return a, b, _turn(c, 32), d


def _turn(value: Hashes, bits: int) -> Hashes:
    return np.asarray((value << np.uint64(bits)) | (value >> np.uint64(64 - bits)))


class Shared:
    """The names that the notes at hand share with other notes of their patients, elsewhere: those that came in, those found.

    key: of de-identification. foreign: NAMES from elsewhere.
    """

    def __init__(self, key: bytes, foreign: pl.DataFrame | None = None) -> None:
        self._key = hmac.digest(key, b"carried names", "sha256")[:16]
        self._foreign: Mapping[int, Hashes] = {}
        self._patients: Mapping[int, Hashes] = {}
        if foreign is not None:
            by_look = foreign.partition_by("look", as_dict=True)
            self._foreign = {int(str(look)): part["tag"].to_numpy() for (look,), part in by_look.items()}
            self._patients = {int(str(look)): part["patient"].to_numpy() for (look,), part in by_look.items()}
        self._names: list[tuple[int, Hashes, Hashes]] = []
        self._asked: list[tuple[Hashes, Hashes]] = []
        self.round = 0

    def of(self, patients: Sequence[int]) -> "Names":
        """The names of some patients, by their tags, in the order of their numbers, at this turn of the votes."""
        return Names(self, np.array(patients, np.uint64), self.round * ROUND)

    def next_round(self) -> bool:
        """Goes on to the next turn of the votes; whether names came in for it or a later one."""
        self.round += 1
        return any(look >= self.round * ROUND for look in self._foreign)

    def exchange(self, look: int, sure: tuple[Hashes, Hashes], others: tuple[Hashes, Hashes]) -> Mask:
        """Which of the other words are names elsewhere; all are noted. Each: patients' tags, and hashes of words."""
        foreign = self._foreign.get(look)
        self._names.append((look, sure[0], siphash(self._key, *sure)))
        if look and foreign is None:
            return np.zeros(len(others[0]), bool)
        tags = siphash(self._key, *others)
        if look == 0:
            self._asked.append((others[0], tags))
        return np.isin(tags, foreign) if foreign is not None else np.zeros(len(tags), bool)

    def waiting(self, look: int, patients: Hashes) -> Mask:
        """Which patients have names that came in for this look, or a later one of this turn."""
        end = look - look % ROUND + ROUND
        some = [tags for number, tags in self._patients.items() if look <= number < end]
        return np.isin(patients, np.concatenate(some)) if some else np.zeros(len(patients), bool)

    def names(self) -> pl.DataFrame:
        """The sure names that were found, NAMES, sorted."""
        parts = [
            pl.DataFrame({"look": np.full(len(tags), look, np.uint16), "patient": owner, "tag": tags}, schema=NAMES)
            for look, owner, tags in self._names
        ]
        return pl.concat(parts or [pl.DataFrame(schema=NAMES)]).unique().sort(*NAMES)

    def asked(self) -> pl.DataFrame:
        """The words that were asked about, ASKED."""
        parts = [pl.DataFrame({"patient": owner, "tag": tags}, schema=ASKED) for owner, tags in self._asked]
        return pl.concat(parts or [pl.DataFrame(schema=ASKED)]).unique().sort("tag", "patient")


class Names:
    """The names of the patients of one batch of notes, look after look: what the engine asks, by the patients' numbers."""

    def __init__(self, shared: Shared, patients: Hashes, look: int) -> None:
        self._shared, self._patients, self._look = shared, patients, look

    def exchange(self, sure: Hashes, owner: Ints, others: Hashes, other_owner: Ints) -> Mask:
        """Which of the other words are names of their owners elsewhere. sure: hashes of words that are names here."""
        return self._shared.exchange(self._look, (self._patients[owner], sure), (self._patients[other_owner], others))

    def next_look(self) -> Mask:
        """Goes on to the next look; of each patient, whether names came in for it."""
        self._look += 1
        return self._shared.waiting(self._look, self._patients)


def neighbours(patients: Sequence[Hashes]) -> list[list[int]]:
    """Of each shard, by number, those that share a patient with it, itself among them. patients: of each the tags, once each.

    >>> neighbours([np.array([1, 2], np.uint64), np.array([3], np.uint64), np.array([2], np.uint64)])
    [[0, 2], [1], [0, 2]]
    """
    from scipy.sparse import csr_array

    sizes = [len(tags) for tags in patients]
    every, column = np.unique(np.concatenate([np.zeros(0, np.uint64), *patients]), return_inverse=True)
    has = csr_array((np.ones(sum(sizes), np.int32), column, np.cumsum([0, *sizes])), shape=(len(sizes), len(every)))
    shared = csr_array(has @ has.T)
    shared.sort_indices()
    return [shared.indices[a:b].tolist() for a, b in itertools.pairwise(shared.indptr)]


def answer(asked: pl.DataFrame, known: Hashes) -> pl.DataFrame:
    """The names, NAMES of the first look, that the ASKED of a shard ask for. known: tags of sure names, in ascending order."""
    hits = asked.filter(pl.Series(among(known, asked["tag"].to_numpy()), dtype=pl.Boolean))
    return hits.select(pl.lit(0, pl.UInt16).alias("look"), *ASKED).sort(*NAMES)


def among(ordered: Hashes, values: Hashes) -> Mask:
    """Which values are among some in ascending order: np.isin would sort them each time."""
    if not len(ordered):
        return np.zeros(len(values), bool)
    at = np.searchsorted(ordered, values)
    return np.asarray(ordered[np.minimum(at, len(ordered) - 1)] == values)
