"""Notes written otherwise: pure functions of a text, the same text each time. Placeholders and numbers stay as they are.

All but `negations` leave the truth as it is. After CheckList (Ribeiro et al. 2020, doi:10.18653/v1/2020.acl-main.442).
"""

import math
import random
import re
from collections.abc import Callable, Mapping

import polars as pl

from dxtune.corpus.sections import HEADERS, NAMED
from dxtune.evaluation.answers import normalise
from dxtune.records import PLACEHOLDER

MISTYPED = 0.1
"""The share of words of four letters and more that `typos` changes."""
KEYBOARD = ("qwertyuiop", "asdfghjkl", "zxcvbnm")
BESIDE = {key: row[max(at - 1, 0) : at] + row[at + 1 : at + 2] for row in KEYBOARD for at, key in enumerate(row)}
"""The letters to the left and to the right of each."""

ABBREVIATIONS = {
    "abdominal": "abd", "bilateral": "b/l", "blood pressure": "BP", "chest pain": "CP", "chest x-ray": "CXR",
    "complains of": "c/o", "coronary artery disease": "CAD", "diabetes mellitus": "DM", "diagnosis": "dx",
    "examination": "exam", "follow-up": "f/u", "gastrointestinal": "GI", "history": "hx",
    "history of": "h/o", "hypertension": "HTN", "intravenous": "IV", "laboratory": "lab", "left": "lt",
    "medications": "meds", "nausea and vomiting": "N/V", "negative": "neg", "normal": "nl",
    "past medical history": "PMH", "patient": "pt", "positive": "pos", "red blood cells": "RBC", "respiratory rate": "RR",
    "right": "rt", "shortness of breath": "SOB", "status post": "s/p", "symptoms": "sx", "temperature": "temp",
    "treatment": "tx", "urinary tract infection": "UTI", "white blood cells": "WBC", "with": "w/", "without": "w/o",
    "years": "yrs", "year old": "y/o",
}  # fmt: skip
"""What is spelled out, and how it is abbreviated: in common use on the wards, and few of many."""
SPELLED_OUT = {short: long for long, short in ABBREVIATIONS.items()}

DENIED = {
    "reports": "denies", "reported": "denied", "complains of": "denies", "describes": "denies", "has": "has no",
    "has been": "has not been", "had": "had no", "there is": "there is no", "there was": "there was no",
    "there are": "there are no", "there were": "there were no", "is": "is not", "was": "was not", "are": "are not",
    "were": "were not", "with": "without", "w/": "w/o", "evidence of": "no evidence of", "positive for": "negative for",
    "presence of": "absence of", "present": "absent",
}  # fmt: skip
"""What affirms, and what denies the same: cues of NegEx (Chapman et al. 2001, doi:10.1006/jbin.2001.1029), opposites by us."""
FLIPPED = {denies: affirms for affirms, denies in reversed(DENIED.items())} | DENIED

WORD = re.compile(r"(?<![\w\[])[^\W\d_]{4,}(?!\w)")
NO = r"(?:no|No|NO)[ \t]+(?=[^\W\d_])"
SENTENCE_END = re.compile(r"(?<=[.!?])\s+")
NOT_PLACEHOLDER = re.compile(rf"{PLACEHOLDER.pattern}|[^\[]+")


def typos(text: str) -> str:
    """The text with a tenth of its longer words mistyped: two neighbouring letters change places, or a key beside is hit.

    >>> typos("The patient complains of a cough and sees Dr. [NAME]")
    'The patuent complains of a cough and sees Dr. [NAME]'
    """
    rng = random.Random(text.encode("utf-8", "replace"))  # noqa: S311
    words = list(WORD.finditer(text))
    pieces, end = [], 0
    for at in sorted(rng.sample(range(len(words)), math.ceil(MISTYPED * len(words)))):
        pieces += [text[end : words[at].start()], _mistype(words[at][0], rng)]
        end = words[at].end()
    return "".join([*pieces, text[end:]])


def abbreviate(text: str) -> str:
    """The text with ABBREVIATIONS in the place of what they stand for.

    >>> abbreviate("Patient with a history of hypertension, without chest pain.")
    'Pt w/ a h/o HTN, w/o CP.'
    """
    return _replace(text, SHORTEN, SHORTER)


def spell_out(text: str) -> str:
    """The text with what the ABBREVIATIONS stand for.

    >>> spell_out("Pt c/o SOB, PMHx of HTN [NAME]")
    'Patient complains of shortness of breath, PMHx of hypertension [NAME]'
    """
    return _replace(text, LENGTHEN, LONGER)


def flip_negations(text: str) -> str:
    """The text that denies what it affirmed, and affirms what it denied, where it says so by a known cue: another truth.

    >>> flip_negations("Denies fever. There is no rash, but wheezing with exertion. No cough. Account no. 12")
    'Reports fever. There is rash, but wheezing without exertion. cough. Account no. 12'
    """
    return _replace(text, FLIP, OPPOSITE)


def reorder(text: str) -> str:
    r"""The text with its sections, told by known headers, in the opposite order; with under two, its sentences.

    >>> reorder("Seen today\nHPI: cough\nfor a week\nPLAN: rest")
    'Seen today\nPLAN: rest\nHPI: cough\nfor a week'
    >>> reorder("Cough for a week. No fever. Rest.")
    'Rest. No fever. Cough for a week.'
    """
    lines = text.split("\n")
    starts = [at for at, line in enumerate(lines) if _is_header(line)]
    if len(starts) < 2:
        return " ".join(reversed(SENTENCE_END.split(text)))
    sections = [lines[start:end] for start, end in zip(starts, [*starts[1:], len(lines)], strict=True)]
    return "\n".join([*lines[: starts[0]], *(line for section in reversed(sections) for line in section)])


def lower_case(text: str) -> str:
    """The text without capitals. A model whose tokenizer has none reads the same.

    >>> lower_case("SOB since Monday, seen by [NAME] [sic]")
    'sob since monday, seen by [NAME] [sic]'
    """
    return NOT_PLACEHOLDER.sub(lambda match: match[0] if match[1] else match[0].lower(), text)


PERTURBATIONS: Mapping[str, Callable[[str], str]] = {
    "typos": typos,
    "abbreviated": abbreviate,
    "spelled_out": spell_out,
    "negations": flip_negations,
    "reordered": reorder,
    "lower_case": lower_case,
}


def perturb(notes: pl.DataFrame) -> dict[str, pl.DataFrame]:
    """By perturbation the notes that it changes, with their other texts, where there are any. Questions stay.

    Where notes have an `answer`, only those that still hold it: of others nobody knows the answer.

    >>> list(perturb(pl.DataFrame({"text": ["a cough.", "Rest."]}))["lower_case"]["text"])
    ['rest.']
    """
    changed: dict[str, pl.DataFrame] = {}
    for name, function in PERTURBATIONS.items():
        texts = pl.Series("text", [function(text) for text in notes["text"]], dtype=pl.String)
        some = notes.with_columns(texts).filter(texts != notes["text"])
        if "answer" in notes.columns:
            kept = [normalise(answer) in normalise(text) for answer, text in some.select("answer", "text").iter_rows()]
            some = some.filter(pl.Series(kept, dtype=pl.Boolean))
        changed |= {name: some} if some.height else {}
    return changed


def _mistype(word: str, rng: random.Random) -> str:
    at = rng.randrange(len(word) - 1)
    beside = BESIDE.get(word[at].lower())
    if beside is None or rng.random() < 0.5:
        return word[:at] + word[at + 1] + word[at] + word[at + 2 :]
    key = rng.choice(beside)
    return word[:at] + (key.upper() if word[at].isupper() else key) + word[at + 1 :]


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def _written(table: Mapping[str, str]) -> dict[str, str]:
    """The table with its keys in small letters, in capitals, and with one at the beginning, which the value has then, too."""
    written = {_capital(key): _capital(value) for key, value in table.items()}
    written |= {key.upper(): value for key, value in table.items() if len(key) > 3}  # PT is not a patient
    return written | {key.lower(): value for key, value in table.items()} | dict(table)


def _pattern(table: Mapping[str, str], *others: str) -> re.Pattern[str]:
    """What finds the keys of a table as whole words, longer ones first, and then the other patterns."""
    keys = "|".join(re.escape(key) for key in sorted(table, key=len, reverse=True))
    return re.compile("|".join(rf"(?<![\w\[]){found}" for found in (rf"(?:{keys})(?!\w)", *others)))


def _replace(text: str, pattern: re.Pattern[str], table: Mapping[str, str]) -> str:
    """The text with each find replaced as the table says, by nothing where it does not know it."""
    return pattern.sub(lambda match: table.get(match[0], ""), text)


def _is_header(line: str) -> bool:
    found = re.match(NAMED, line)
    return found is not None and " ".join(found[1].lower().split()) in HEADERS


SHORTER, LONGER, OPPOSITE = _written(ABBREVIATIONS), _written(SPELLED_OUT), _written(FLIPPED)
SHORTEN, LENGTHEN, FLIP = _pattern(SHORTER), _pattern(LONGER), _pattern(OPPOSITE, NO)
