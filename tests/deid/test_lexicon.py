"""The lexicon: the file says what the packed table says, word for word, and it is what its format promises."""

import lzma

import numpy as np

from dxtune.deid import lexicon
from dxtune.deid.tokens import hash_words


def test_every_word_is_found_with_what_the_file_says_of_it() -> None:
    entries = lexicon.entries()
    packed = lexicon.look_up(hash_words(list(entries)))
    for place, name in enumerate(("english", "capital", "surname", "first", "place", "clinical")):
        assert lexicon.column(packed, name).tolist() == [entry[place] for entry in entries.values()], name
    flags = [sum(1 << lexicon.FLAGS.index(flag) for flag in entry.flags) for entry in entries.values()]
    assert lexicon.column(packed, "flags").tolist() == flags


def test_an_unknown_word_is_nothing() -> None:
    assert not np.any(lexicon.look_up(hash_words(["qqzzxv", "blorptag"])) & lexicon.KNOWN)


def test_the_file_is_sorted_unique_and_names_its_sources() -> None:
    lines = lzma.decompress(lexicon.FILE.read_bytes()).decode("utf-8").splitlines()
    head = [line for line in lines if line.startswith("#")]
    words = [line.split("\t")[0] for line in lines if not line.startswith("#")]
    assert words == sorted(set(words)) and len(words) > 300_000
    assert any("CC BY-SA 4.0" in line for line in head) and any("wordfreq" in line for line in head)
