"""An optional second opinion: a spaCy pipeline or a token classifier reads the sentences with words that the engine doubts.

It only adds spans. No text leaves the machine: a Hub model is fetched, at a pinned revision, and run here.
"""

import re
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any, Literal, Protocol

from dxtune.deid.spans import TYPES, Span, merge
from dxtune.errors import ModelError

_LABELS = {
    "NAME": "PERSON PER PATIENT DOCTOR HCW STAFF FIRSTNAME LASTNAME GIVENNAME SURNAME USERNAME", "PHONE": "PHONENUMBER PAGER",
    "LOCATION": "GPE LOC FAC CITY STREET ADDRESS ZIP LOCATIONOTHER", "FACILITY": "ORG HOSPITAL HOSP ORGANIZATION PATORG",
    "EMAIL": "MAIL", "MRN": "MEDICALRECORD", "IP": "IPADDRESS", "BIOMETRIC": "BIOID", "ID": "IDNUM",
}  # fmt: skip
_TYPE_OF = {label: kind for kind in TYPES for label in (kind.replace("_", ""), *_LABELS.get(kind, "").split())}
_UNUSED = ("tagger", "morphologizer", "parser", "senter", "attribute_ruler", "lemmatizer", "textcat")  # they find no entity
SENTENCE = 1000  # characters that are asked about at once, at most
_CUT = re.compile(r"(?<=[.!?])(?<!\b[DMS][rst]\.)(?<!\bMrs\.)(?<!\b[A-Z]\.)\s|[\n\r\v\f\x1c-\x1e\x85\u2028\u2029]")
_PIECE = re.compile(rf"\S(?:.{{0,{SENTENCE - 2}}}\S)?(?!\S)|\S{{1,{SENTENCE}}}", re.DOTALL)
_MONTH = re.compile(r"\b(?:jan|feb|mar|apr|may|june?|july?|aug|sept?|oct|nov|dec)(?:r?uary|ch|il|ust|t?ember|ober)?\b", re.I)
_LENGTH_OR_YEAR = re.compile(r"(?<![a-z])(?:(?:year|month|week|day|hour)s?|yrs?|y/?o|old|ago)\b|^(?:19|20)\d\d$", re.I)
_FILES = ["*.json", "*.txt", "*.safetensors", "*.model"]


class Voter(Protocol):
    """A model that tells the identifiers in each of some sentences, in offsets of that sentence."""

    def spans(self, sentences: Sequence[str]) -> list[list[Span]]: ...


def load_voter(kind: Literal["spacy", "transformers"], model: str, revision: str | None, root: Path) -> Voter:
    """The model that gives the second opinion.

    `model` is a folder (as seen from `root`), or an installed spaCy package (en_core_web_sm), or the Hub id of a token
    classifier with its commit hash in `revision`. Raises ModelError where it is missing, or not made for this, or not safe.
    """
    return SpacyVoter(model, root) if kind == "spacy" else TransformersVoter(model, revision, root)


def add_votes(
    texts: Sequence[str], spans: Sequence[Sequence[Span]], doubtful: Sequence[Sequence[tuple[int, int]]], voter: Voter
) -> list[list[Span]]:
    """The spans of each note with those that the voter adds: none overlapping, nothing that was masked left out.

    doubtful: where the words are, in each note, that the engine was unsure of. Only their sentences are read, equal ones once,
    and only votes for such a word count: those for words that the engine is sure of are wrong more often than right.
    """
    places: dict[str, list[tuple[int, int]]] = {}
    for note, (text, words) in enumerate(zip(texts, doubtful, strict=True)):
        for start, end in _sentences_with(words, text) if words else ():
            places.setdefault(re.sub("[\ud800-\udfff]", "\ufffd", text[start:end]), []).append((note, start))
    result = [list(some) for some in spans]
    for (sentence, where), found in zip(places.items(), voter.spans(list(places)) if places else [], strict=True):
        counted = [span for span in found if _counts(span.type, sentence[span.start : span.end])]
        for note, shift in where:
            votes = [Span(shift + start, shift + end, kind) for start, end, kind in counted]
            result[note] += [vote for vote in votes if any(a < vote.end and b > vote.start for a, b in doubtful[note])]
    return [_united(more, len(some), text) for more, some, text in zip(result, spans, texts, strict=True)]


def _united(spans: list[Span], own: int, text: str) -> list[Span]:
    """All spans, merged; of the first `own`, those that none of the others makes longer are left as they are."""
    if len(spans) == own:
        return spans
    return [next((old for old in spans[:own] if old[0] <= new.start and new.end <= old[1]), new) for new in merge(spans, text)]


def type_of(label: str) -> str | None:
    """The type that a model's label stands for, if any (none for states and countries, which 164.514(b)(2)(i)(B) lets stay).

    >>> type_of("B-PATIENT"), type_of("U-IP_ADDRESS"), type_of("HEALTH_PLAN"), type_of("O")
    ('NAME', 'IP', 'HEALTH_PLAN', None)
    """
    return _TYPE_OF.get(re.sub(r"^[BILUES][-_]|[^A-Z]", "", label.upper()))


class SpacyVoter:
    """The entities of a spaCy pipeline."""

    def __init__(self, model: str, root: Path) -> None:
        try:
            import spacy
        except ImportError:
            raise _error(model, "spaCy", "none", "pip install 'dxtune[vote]', or set deidentify.vote to none") from None
        package = model.isidentifier() and spacy.util.is_package(model)
        try:
            self._pipeline: Any = spacy.load(model if package else root / Path(model).expanduser(), exclude=_UNUSED)
        except (OSError, ValueError, ImportError, AttributeError, TypeError) as error:
            remedy = "pip install it and name its module (with _, not -), or name the folder that nlp.to_disk wrote"
            raise _error(
                model, f"a pipeline for spaCy {spacy.about.__version__}", f"none ({type(error).__name__})", remedy
            ) from None
        if not any("doc.ents" in self._pipeline.get_pipe_meta(part).assigns for part in self._pipeline.pipe_names):
            raise _error(model, "ner or entity_ruler", self._pipeline.pipe_names, "use a pipeline that finds entities")

    def spans(self, sentences: Sequence[str]) -> list[list[Span]]:
        """The entities of each sentence. What spaCy remembers of new words is forgotten at the end: they may be names."""
        with self._pipeline.memory_zone():
            docs = self._pipeline.pipe(sentences)
            return [[Span(e.start_char, e.end_char, kind) for e in doc.ents if (kind := type_of(e.label_))] for doc in docs]


class TransformersVoter:
    """The words that a token classifier labels: one labelled piece is enough for a word."""

    def __init__(self, model: str, revision: str | None, root: Path) -> None:
        folder = _folder(model, revision, root)
        import torch
        from transformers import AutoModelForTokenClassification, AutoTokenizer

        safe: dict[str, Any] = {"trust_remote_code": False, "local_files_only": True}
        weights: dict[str, Any] = {"use_safetensors": True, "dtype": torch.float32, "output_loading_info": True}
        try:
            self._tokenizer = AutoTokenizer.from_pretrained(folder, padding_side="right", **safe)
            self._model, info = AutoModelForTokenClassification.from_pretrained(folder, **weights, **safe)
        except (OSError, ValueError, KeyError, RuntimeError, ImportError) as error:
            raise _error(model, "what transformers loads, no code of its own", type(error).__name__, "use another") from None
        config = self._model.config
        self._types = [type_of(config.id2label[number]) for number in range(config.num_labels)]
        kinds, labels, missing = config.architectures or [], sorted(config.id2label.values())[:6], len(info["missing_keys"])
        fast, sure = self._tokenizer.is_fast, not missing and all(kind.endswith("ForTokenClassification") for kind in kinds)
        if not (fast and sure and any(self._types)):
            found = f"{kinds} with the labels {labels}, {missing} weights missing, fast tokenizer: {fast}"
            raise _error(model, "a trained token classifier with labels such as PATIENT", found, "use a model for NER")
        positions = getattr(config, "max_position_embeddings", None) or 514  # RoBERTa counts them from two
        self._window = max(8, min(self._tokenizer.model_max_length, positions - 2, 512))

    def spans(self, sentences: Sequence[str]) -> list[list[Span]]:
        """The labelled words of each sentence, neighbours of one type as one span; long sentences in windows that overlap."""
        import torch

        windows = {"max_length": self._window, "stride": self._window // 4, "return_overflowing_tokens": True}
        coded = self._tokenizer(list(sentences), truncation=True, return_offsets_mapping=True, **windows)
        marks: list[list[Span]] = [[] for _ in sentences]
        order = sorted(range(len(coded["input_ids"])), key=lambda window: len(coded["input_ids"][window]))
        for batch in (order[place : place + 32] for place in range(0, len(order), 32)):
            fields = {name: [coded[name][i] for i in batch] for name in self._tokenizer.model_input_names if name in coded}
            with torch.inference_mode():
                labels = self._model(**self._tokenizer.pad(fields, return_tensors="pt")).logits.argmax(-1).tolist()
            for window, row in zip(batch, labels, strict=True):
                pieces = zip(coded["offset_mapping"][window], row, strict=False)  # the rest of the row is padding
                found = [Span(a, b, kind) for (a, b), label in pieces if a < b and (kind := self._types[label])]
                marks[coded["overflow_to_sample_mapping"][window]] += found
        return [_words(sentence, found) for sentence, found in zip(sentences, marks, strict=True)]


def _words(sentence: str, marks: list[Span]) -> list[Span]:
    """The words that marks touch, whole; neighbours of one type are one span."""
    spans: list[Span] = []
    for start, end in (match.span() for match in re.finditer(r"\w+", sentence)) if marks else ():
        kind = next((mark.type for mark in marks if mark.start < end and mark.end > start), None)
        if kind and spans and spans[-1].type == kind and re.fullmatch(r"[^\w\n]{0,2}", sentence[spans[-1].end : start]):
            spans[-1] = Span(spans[-1].start, end, kind)
        elif kind:
            spans.append(Span(start, end, kind))
    return spans


def _sentences_with(words: Sequence[tuple[int, int]], text: str) -> Iterator[tuple[int, int]]:
    """Where the sentences are that hold one of these words: trimmed; too long ones are cut, between words if possible."""
    starts, ends = sorted(start for start, _ in words), sorted(end for _, end in words)
    cuts = [0, *(match.start() for match in _CUT.finditer(text)), len(text)]
    for left, right in pairwise(cuts):
        for match in _PIECE.finditer(text, left, right):
            place = bisect_right(ends, match.start())
            if place < len(starts) and starts[place] < match.end():
                yield match.span()


def _counts(kind: str, words: str) -> bool:
    """Whether a vote is for an identifier: a date with a digit or a month, no year or length of time; an age from 90."""
    if kind == "DATE":
        return bool(_MONTH.search(words) or (re.search(r"\d", words) and not _LENGTH_OR_YEAR.search(words)))
    return kind != "AGE" or bool(re.search(r"(?<!\d)(9\d|1[0-4]\d)(?!\d)", words))


def _folder(model: str, revision: str | None, root: Path) -> Path:
    """The folder with a model's safetensors, fetched from the Hub where `model` is no folder."""
    folder = root / Path(model).expanduser()
    if not folder.is_dir():
        if not re.fullmatch(r"\w[\w.-]*(/\w[\w.-]*)?", model) or not re.fullmatch(r"[0-9a-f]{40}", revision or ""):
            remedy = "check the path, or copy the commit hash from the Hub's history (main moves)"
            raise _error(model, "a folder, or a Hub id with a revision of 40 hex digits", f"neither ({revision=})", remedy)
        from huggingface_hub import snapshot_download

        try:
            folder = Path(snapshot_download(model, revision=revision, allow_patterns=_FILES))
        except (OSError, ValueError) as error:  # the Hub's own errors are one or the other
            raise _error(model, "a model on the Hub", type(error).__name__, "check id and revision, or name a folder") from None
    if not any(folder.glob("model*.safetensors")):
        remedy = "pickled weights can run code: convert them once, in a sandbox, with save_pretrained(folder)"
        raise _error(model, "model.safetensors", [path.name for path in folder.glob("*.bin")] or "no weights", remedy)
    return folder


def _error(model: str, expected: str, found: object, remedy: str) -> ModelError:
    return ModelError(f"deidentify.vote_model = {model}: expected {expected}, found {found}: {remedy}")
