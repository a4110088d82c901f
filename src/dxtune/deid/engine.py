"""Looks at notes: tokens, what the grammar explains or claims, what the scorer says of the rest, and the spans that follow.

One batch is one set of arrays. An identifier that the grammar finds becomes one token, exactly as the placeholder that will
stand for it, so that a second look at the de-identified note sees the same neighbours.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cache
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from dxtune.deid import checksums, grammar, lexicon, scorer
from dxtune.deid.carried import Names
from dxtune.deid.spans import TYPES, Span, placeholders
from dxtune.deid.tokens import (
    DIGITS,
    EDGE,
    INITIAL,
    LETTERS,
    LOWER,
    MARK,
    NO_CASE,
    TITLE,
    UPPER,
    Bytes,
    Hashes,
    Ints,
    Tokens,
    hash_words,
    tokenize,
)

IDENTIFIER = 6
"""The kind of a token that the grammar or a placeholder claims whole."""
NUMBER = {kind: number for number, kind in enumerate(TYPES, start=1)}
PLACEHOLDER = 0x7F
"""The class of a placeholder in the grammar: no pattern holds it."""
PER_TOKEN = ("start", "end", "kind", "shape", "word", "mark", "gap", "value")


@dataclass(frozen=True)
class Look:
    """Some notes after the grammar: one token an identifier. seen: the number of its type, 0 for all else. fixed: it is a
    placeholder.

    kept: the grammar explains it. known: what the lexicon holds of it.
    """

    tokens: Tokens
    classes: Bytes
    seen: Bytes
    fixed: npt.NDArray[np.bool_]
    kept: npt.NDArray[np.bool_]
    known: Ints


def look(texts: Sequence[str]) -> Look:
    """The tokens of some notes, with what the grammar says of them."""
    tokens = tokenize(texts)
    known = np.zeros(len(tokens), np.int64)
    letters = np.flatnonzero(tokens.kind == LETTERS)
    known[letters] = lexicon.look_up(tokens.word[letters])
    classes = grammar.classify(tokens, lexicon.column(known, "code").astype(np.uint8))
    none = np.zeros(len(tokens), bool)
    seen = Look(tokens, classes, np.zeros(len(tokens), np.uint8), none, none, known)
    if there := placeholders(tokens.text):
        first = np.searchsorted(tokens.start, [start for start, _, _ in there])
        last = np.searchsorted(tokens.start, [stop for _, stop, _ in there])
        seen = _replaced(seen, first, last, np.array([NUMBER[kind] for _, _, kind in there], np.uint8))
    return _explained(seen)


def look_again(marked: "Marked", notes: Ints) -> Look:
    """What `look` would give of some of the notes, by number, with a placeholder in place of each run that is marked.

    It takes the tokens that are there: nothing is read, hashed or looked up again. Offsets stay those of the original text.
    """
    first, last = runs(marked)
    seen = _replaced(marked.look, first, last + 1, marked.kind[first])
    note = np.searchsorted(seen.tokens.first, seen.tokens.start, side="right") - 1
    chosen = np.zeros(len(seen.tokens.first) + 1, bool)
    chosen[notes] = chosen[-1] = True  # the edges before the first note are those of note -1
    return _explained(seen if len(notes) == len(seen.tokens.first) else _chosen(seen, np.flatnonzero(chosen[note])))


def _chosen(seen: Look, rows: Ints) -> Look:
    """Some of the tokens of a look."""
    columns: dict[str, Any] = {name: getattr(seen.tokens, name)[rows] for name in PER_TOKEN}
    tokens = replace(seen.tokens, **columns)
    return Look(tokens, seen.classes[rows], seen.seen[rows], seen.fixed[rows], seen.kept[rows], seen.known[rows])


def _replaced(seen: Look, first: Ints, last: Ints, numbers: Bytes) -> Look:
    """The look with one token, a placeholder, in place of each run of tokens from `first` to before `last`."""
    tokens = seen.tokens
    values = {"end": tokens.end[last - 1], "kind": IDENTIFIER, "shape": NO_CASE, "value": 0}
    values |= {"word": hash_words(["["])[0], "mark": ord("[")}
    tokens = _with_values(tokens, first, values)
    classes, known = _with(seen.classes, first, PLACEHOLDER), _with(seen.known, first, 0)
    none = np.zeros(len(classes), bool)
    seen = Look(tokens, classes, _with(seen.seen, first, numbers), _with(seen.fixed, first, True), none, known)
    return _chosen(seen, _without(first + 1, last, len(classes)))


def _with_values(tokens: Tokens, rows: Ints, values: dict[str, Any]) -> Tokens:
    """The tokens with other values in some rows of some columns."""
    columns: dict[str, Any] = {name: _with(getattr(tokens, name), rows, value) for name, value in values.items()}
    return replace(tokens, **columns)


def _with(column: npt.NDArray[Any], rows: Ints, value: Any) -> npt.NDArray[Any]:
    """The column with another value in some rows."""
    column = column.copy()
    column[rows] = value
    return column


def _explained(seen: Look) -> Look:
    """The look with what the grammar says: one token an identifier, and which tokens it explains."""
    tokens = seen.tokens
    first, last, kinds = grammar.find(tokens, seen.classes)
    number = np.array([NUMBER.get(kind, 0) for kind in kinds], np.uint8)
    either = np.array([kind == grammar.EITHER for kind in kinds], bool)
    for at in [at for at, kind in enumerate(kinds) if kind == grammar.POSTCODE]:
        if _POSTCODE.fullmatch(tokens.text, int(tokens.start[first[at]]), int(tokens.end[last[at] - 1])):
            number[at] = NUMBER["LOCATION"]
    kept = np.zeros(len(tokens), bool)
    explained = (number == 0) & ~either
    kept[_inside(first[explained], last[explained])] = True
    first, last, number, either = first[~explained], last[~explained], number[~explained], either[~explained]
    length = tokens.end[last - 1] - tokens.start[first]
    for row in np.flatnonzero((number == NUMBER["ID"]) & (length >= checksums.SHORTEST) & (length <= checksums.LONGEST)):
        value = tokens.text[tokens.start[first[row]] : tokens.end[last[row] - 1]]
        number[row] = NUMBER[checksums.kind_of(value) or "ID"]
    kind = np.where(either, DIGITS, IDENTIFIER)
    word = np.where(either, tokens.word[first] * np.uint64(31) + tokens.word[last - 1], tokens.word[first])
    tokens = _with_values(tokens, first, {"end": tokens.end[last - 1], "kind": kind, "shape": NO_CASE, "word": word})
    classes = _with(seen.classes, first[either], grammar.EITHER_CLASS)
    seen = Look(tokens, classes, _with(seen.seen, first, number), seen.fixed, kept, seen.known)
    return _chosen(seen, _without(first + 1, last, len(kept)))


_POSTCODE = re.compile(r"[A-Z]{1,2}[0-9][A-Z0-9]?\s[0-9][A-Z]{2}")
"""A postcode of the United Kingdom: what the classes of the grammar cannot see is that its letters are capitals."""


def _without(first: Ints, last: Ints, size: int) -> Ints:
    """All numbers below `size` but those from each `first` to before its `last`."""
    there = np.ones(size, bool)
    there[_inside(first, last)] = False
    return np.flatnonzero(there)


def _inside(first: Ints, last: Ints) -> Ints:
    """All numbers from each `first` to before its `last`."""
    length = last - first
    return np.repeat(first - np.cumsum(length) + length, length) + np.arange(int(length.sum()))


def rows_to_score(seen: Look) -> Ints:
    """The tokens that the scorer is asked about: see scorer.candidates; and ordinary words after a title or before what ends
    the name of a place ("miss hill", "oak grove clinic")."""
    taken = (seen.seen > 0) | (seen.kept & (seen.tokens.kind == DIGITS))
    called, tail = (
        np.flatnonzero(grammar.members("called")[seen.classes]),
        np.flatnonzero(grammar.members("tail")[seen.classes]),
    )
    asked = np.zeros(len(taken), bool)
    asked[np.concatenate([called + 1, called + 2, tail - 1, tail - 2, tail - 3])] = True
    return scorer.candidates(seen.tokens, seen.known, taken, asked)


@dataclass(frozen=True)
class Marked:
    """What is to be masked in some notes: of each token the number of its type, or 0; the rule that said so, and its score.

    margin: how far above the threshold the scorer is, in hundredths of a logit; very low where it was not asked.
    """

    look: Look
    kind: Bytes
    rule: Bytes
    margin: npt.NDArray[np.int32]


RULES = ("", "grammar", "scorer", "carried", "beside", "known", "vote")
"""Why a span is masked: rule ids of the audit table. beside: it stands in one run with a masked word. known: a structured
column says so."""


_WORDLY = np.isin(np.arange(len(TYPES) + 1), [NUMBER["NAME"], NUMBER["LOCATION"], NUMBER["FACILITY"]])
"""The types that are made of words, and so come in runs."""
_PLACES = np.isin(np.arange(len(TYPES) + 1), [NUMBER["LOCATION"], NUMBER["FACILITY"]])
_CODES = np.isin(
    np.arange(len(TYPES) + 1),
    [NUMBER[kind] for kind in ("ID", "MRN", "LICENSE", "DEVICE", "VEHICLE", "ACCOUNT", "HEALTH_PLAN")],
)
"""The types whose values are runs of letters and digits."""
_SCORED = np.array([NUMBER[kind] for kind in scorer.KINDS], np.uint8)


def mark(
    seen: Look,
    patients: Ints | None = None,
    table: Hashes | None = None,
    threshold: int | None = None,
    known: Sequence[str] | None = None,
    shared: Names | None = None,
) -> Marked:
    """What is to be masked in some notes that were looked at. patients: of each note the number of its patient, whose names are
    carried from note to note.

    known: of each note the identifiers of its patient in structured columns, a line each; their words are always masked.
    table, threshold: another scorer than the one that is shipped. shared: names in notes that are looked at elsewhere.
    """
    if table is None or threshold is None:
        table, threshold = scorer.weights()
    rows = rows_to_score(seen)
    kind = np.where(seen.fixed, 0, seen.seen).astype(np.uint8)
    margin = np.full(len(seen.tokens), -(1 << 30), np.int32)
    guess = np.zeros(len(seen.tokens), np.uint8)
    if len(rows):
        scores = scorer.score(seen.tokens, seen.known, seen.classes, seen.seen, rows, table)
        words = tokens_are_words(seen.tokens, rows)
        scores[words, 3] -= WORDS_ARE_NO_CODES
        best = scores.argmax(1)
        margin[rows] = scores[np.arange(len(rows)), best] - threshold - _doubt(seen, rows, words, best < 3)
        guess[rows] = _SCORED[best]
        guess[seen.classes == grammar.EITHER_CLASS] = NUMBER["DATE"]
    sure = margin >= 0
    kind[sure] = guess[sure]
    rule = np.where(seen.seen > 0, RULES.index("grammar"), np.where(sure, RULES.index("scorer"), 0)).astype(np.uint8)
    owner = np.arange(len(seen.tokens.first)) if patients is None else patients
    _mask_known(seen, kind, known)
    rule[(kind > 0) & (rule == 0)] = RULES.index("known")
    _carry(seen, kind, margin, owner, shared)
    rule[(kind > 0) & (rule == 0)] = RULES.index("carried")
    _spread(seen, kind, margin, guess, -SLACK)
    rule[(kind > 0) & (rule == 0)] = RULES.index("beside")
    return Marked(seen, kind, rule, margin)


def _doubt(seen: Look, rows: Ints, words: npt.NDArray[np.bool_], named: npt.NDArray[np.bool_]) -> Ints:
    """How much surer than the threshold the scorer must be of each of some tokens. words: they are letters that touch no digit;
    named: the scorer thinks of a name or a place.
    """
    tokens, classes, known = seen.tokens, seen.classes[rows], seen.known[rows]
    shape, mark_, after = tokens.shape[rows], tokens.mark[rows], rows + 1
    length = tokens.end[rows] - tokens.start[rows]
    doubt = EPONYM * _eponyms(seen)[rows].astype(np.int64)
    for much, group in ((USUAL, "usual"), (CALLED_AFTER, "eponym")):
        doubt += much * grammar.members(group)[classes]
    doubt += DRUG * (lexicon.column(known, "flags") & 1)
    doubt += SCORE * (classes == grammar.EITHER_CLASS)
    pronoun = (classes == ord("I")) & (mark_ == ord("i")) & (seen.classes[after] != ord("."))  # "I feel well"; not "I. Brandt"
    article = (shape == INITIAL) & (mark_ == ord("a")) & (tokens.shape[after] == LOWER) & (tokens.gap[after] > 0)  # "A drain"
    short = (length <= 4) & (tokens.kind[rows] == LETTERS)
    formula = short & ~words & named  # pO2, CD4
    doubt += EPONYM * (pronoun | (article & (tokens.kind[after] == LETTERS)) | _sex(seen, rows) | formula)
    english = lexicon.column(known, "english")
    seldom = np.maximum(lexicon.column(known, "surname"), lexicon.column(known, "first")) <= 2
    doubt += ENGLISH * (((shape == LOWER) & (english >= 5)) | ((shape == TITLE) & (english >= 4) & seldom))
    doubt -= UNEXPLAINED * ((shape == UPPER) & (length <= 3) & (known & lexicon.KNOWN == 0))
    return doubt


def _sex(seen: Look, rows: Ints) -> npt.NDArray[np.bool_]:
    """Which of some tokens are the letter of a sex behind an age, "40 yo F", "80/F"; or a letter of SOAP that opens a line."""
    tokens, classes = seen.tokens, seen.classes
    single = tokens.end[rows] - tokens.start[rows] == 1
    slash = classes[rows - 1] == ord("/")
    before = np.where(slash, rows - 2, rows - 1)
    aged = (tokens.kind[before] == DIGITS) | (grammar.members("year") | grammar.members("old"))[classes[before]]
    opens = ((tokens.gap[rows] > 1) | (tokens.kind[rows - 1] == EDGE)) & (classes[rows + 1] == ord(":"))
    letters = np.isin(tokens.mark[rows], [ord(letter) for letter in "soap"])
    return np.asarray(single & ((grammar.members("sex")[classes[rows]] & aged) | (opens & letters)))


def _owned(words: Hashes, owner: Ints) -> Hashes:
    """Words that belong to somebody: a word of one owner is another one than the same word of another."""
    return words ^ ((owner.astype(np.uint64) + np.uint64(1)) * np.uint64(0x9E3779B97F4A7C15))


def _notes_of(tokens: Tokens) -> Ints:
    """Of each token the number of its note."""
    return np.searchsorted(tokens.first, tokens.start, side="right") - 1


def _mask_known(seen: Look, kind: Bytes, known: Sequence[str] | None) -> None:
    """Marks the words and numbers of a patient's identifiers in structured columns, wherever they stand in the notes.

    A word such as "will" or "of" only with a capital: Mr. Will's notes keep their verbs.
    """
    if not known or not any(known):
        return
    own = tokenize(known)
    length = own.end - own.start
    telling = ((own.kind == LETTERS) & (length > 1)) | ((own.kind == DIGITS) & (length > 2))
    keys = np.unique(_owned(own.word[telling], _notes_of(own)[telling]))
    tokens = seen.tokens
    rows = np.flatnonzero((kind == 0) & ((tokens.kind == LETTERS) | (tokens.kind == DIGITS)) & ~seen.fixed)
    verbs = (tokens.shape[rows] == LOWER) & (lexicon.column(seen.known[rows], "kind") == lexicon.FUNCTION)
    hit = rows[np.isin(_owned(tokens.word[rows], _notes_of(tokens)[rows]), keys) & ~verbs]
    kind[hit] = np.where(tokens.kind[hit] == DIGITS, NUMBER["ID"], NUMBER["NAME"])


def _eponyms(seen: Look) -> npt.NDArray[np.int32]:
    """1 of each word that the word after it, or after its hyphen or possessive, makes a sign, a score, a disease or a
    device."""
    tokens, classes = seen.tokens, seen.classes
    head = grammar.members("eponym_head")[classes]
    known = (lexicon.column(seen.known, "clinical") >= 3) | ((lexicon.column(seen.known, "flags") & 0b10) > 0)
    weak = grammar.members("weak_head")[classes]
    capital = (tokens.kind == LETTERS) & (tokens.shape != LOWER) & (seen.seen == 0)
    quote, hyphen = classes == ord("'"), classes == ord("-")
    single = (tokens.kind == LETTERS) & (tokens.end - tokens.start == 1)
    saint = grammar.members("particle")[classes]
    reach, weakly = np.zeros(len(classes), bool), np.zeros(len(classes), bool)
    for found, heads in ((reach, head), (weakly, weak)):
        found[:-1] = heads[1:]
        found[:-2] |= quote[1:-1] & heads[2:]
        found[:-3] |= quote[1:-2] & single[2:-1] & heads[3:]
        found[:-2] |= single[1:-1] & weak[2:]  # Kerley B lines
        found[:-2] |= capital[1:-1] & (tokens.gap[1:-1] == 0) & heads[2:]
        found[:-2] |= capital[1:-1] & heads[2:] & (found is reach)
        for _ in range(2):  # along hyphens: Wolff-Parkinson-White
            found[:-2] |= hyphen[1:-1] & found[2:]
        found[:-2] |= saint[:-2] & (classes[1:-1] == ord(".")) & found[2:]
    triple = np.zeros(len(classes), bool)  # Wolff-Parkinson-White, with one part that is known
    triple[:-4] = hyphen[1:-3] & hyphen[3:-1] & capital[2:-2] & capital[4:] & (known[:-4] | known[2:-2] | known[4:])
    reach |= triple
    reach[2:] |= triple[:-2]
    reach[4:] |= triple[:-4]
    called = grammar.members("called")[classes]
    after_title = np.zeros(len(classes), bool)
    after_title[1:] = called[:-1]
    after_title[2:] |= called[:-2] & (classes[1:-1] == ord("."))
    after_title[1:] |= after_title[:-1] & capital[:-1]
    dosed = np.zeros(len(classes), bool)  # a known word before an explained number: "Started Yasmin 20 mg"
    dosed[:-1] = known[:-1] & (tokens.kind[1:] == DIGITS) & seen.kept[1:]
    return np.asarray(capital & ~after_title & (reach | (weakly & known) | dosed), np.int32)


def _carry(seen: Look, kind: Bytes, margin: npt.NDArray[np.int32], patients: Ints, shared: Names | None) -> None:
    """Marks a word that is surely a name elsewhere in the notes of its patient, unless its context speaks clearly against
    it."""
    tokens = seen.tokens
    names = (margin >= SURE) & (kind == NUMBER["NAME"]) & (tokens.end - tokens.start > 2) & (tokens.kind == LETTERS)
    others = np.flatnonzero((margin >= -CARRIED) & (kind == 0) & (tokens.kind == LETTERS))
    sources = np.flatnonzero(names)
    if shared is None and not (len(sources) and len(others)):
        return
    owner = patients[_notes_of(tokens)]
    keys = _owned(tokens.word, owner)
    known = np.isin(keys[others], np.unique(keys[sources]))
    kind[others[known]] = NUMBER["NAME"]
    if shared is not None:
        rest = others[~known]
        elsewhere = shared.exchange(tokens.word[sources], owner[sources], tokens.word[rest], owner[rest])
        kind[rest[elsewhere]] = NUMBER["NAME"]


WORDS_ARE_NO_CODES = 300
"""What letters that touch no digit must be surer of to be part of a code."""
USUAL = 300
"""What a word must be surer of that is clinical shorthand which no list holds."""
CALLED_AFTER = 150
"""What a word must be surer of that is the name of a scale, a sign, a stain or a tool as often as somebody's."""
EPONYM = 1000
"""What a word must be surer of that stands before "disease", "sign", "catheter", ... without a title: it is called after
somebody."""
SCORE = 200
"""What a month and a day must be surer of that may be a part of up to ten, such as 3/10."""
ENGLISH = 80
"""What a common English word must be surer of."""
DRUG = 300
"""What the name of a drug must be surer of."""
UNEXPLAINED = 250
"""How much less sure the scorer must be of two or three capitals that no lexicon knows: initials, as likely as not."""
SLACK = 300
"""How much below the threshold a word may be that stands beside a masked one. Scores are in hundredths of a logit."""
SURE = 200
"""How far above the threshold a name must be to be carried to the other notes of its patient."""
CARRIED = 600
"""How far below the threshold the context of a carried name may be: "Foley catheter" in the notes of Mr. Foley is kept."""


def tokens_are_words(tokens: Tokens, rows: Ints) -> npt.NDArray[np.bool_]:
    """Which of some tokens are letters that touch no digit: part of a code only on strong evidence."""
    digits = tokens.kind == DIGITS
    touch_left = digits[rows - 1] & (tokens.end[rows - 1] == tokens.start[rows])
    touch_right = digits[rows + 1] & (tokens.end[rows] == tokens.start[rows + 1])
    return np.asarray((tokens.kind[rows] == LETTERS) & ~touch_left & ~touch_right)


@cache
def _marks(marks: bytes) -> npt.NDArray[np.bool_]:
    """Which of the 256 classes are some marks."""
    return np.isin(np.arange(256), np.frombuffer(marks, np.uint8))


_ORDINARY = np.isin(np.arange(32), (lexicon.FUNCTION, lexicon.COMMON, lexicon.MEDICAL, lexicon.SOME_MEDICAL))


def _spread(seen: Look, kind: Bytes, margin: npt.NDArray[np.int32], guess: Bytes, least: int) -> None:
    """Marks the doubtful neighbours of marked words as far as the doubt goes, house numbers, and what joins two parts."""
    tokens = seen.tokens
    near = np.zeros(len(kind) + 1, bool)  # a token directly after the one before it, or after one space
    near[1:-1] = (tokens.start[1:] - tokens.end[:-1] <= 1) & (tokens.gap[1:] < 2)
    mark_ = tokens.kind == MARK
    hyphen = mark_ & _marks(b"-'.")[seen.classes]
    ordinary = _ORDINARY[lexicon.column(seen.known, "kind")]
    least_of = np.where(ordinary, least // 3, least)
    doubtful = np.flatnonzero(
        (margin >= least_of) & (kind == 0) & (tokens.kind == LETTERS) & _WORDLY[guess] & (tokens.shape != 0)
    )
    for _ in range(4):
        left = np.where(hyphen[doubtful - 1], doubtful - 2, doubtful - 1)
        right = np.where(hyphen[doubtful + 1], doubtful + 2, doubtful + 1)
        from_left = np.where(near[doubtful] & _WORDLY[kind[left]], kind[left], 0)
        from_right = np.where(near[doubtful + 1] & _WORDLY[kind[right]], kind[right], 0)
        got = np.where(from_left > 0, from_left, from_right)
        if not got.any():
            break
        kind[doubtful[got > 0]] = got[got > 0]
        doubtful = doubtful[got == 0]
    particles = np.flatnonzero((kind == 0) & grammar.members("particle")[seen.classes])
    for _ in range(2):
        after = np.where(seen.classes[particles + 1] == ord("-"), particles + 2, particles + 1)
        leads = near[particles + 1] & (kind[after] == NUMBER["NAME"]) & ~seen.fixed[after]
        kind[particles[leads]] = NUMBER["NAME"]
    place = NUMBER["LOCATION"]
    tails = np.flatnonzero((kind == 0) & grammar.members("tail")[seen.classes])
    for _ in range(2):
        same_case = (tokens.shape[tails] != LOWER) | (tokens.shape[tails - 1] == LOWER)
        follows = near[tails] & same_case & _WORDLY[kind[tails - 1]] & (kind[tails] == 0) & ~seen.fixed[tails - 1]
        kind[tails[follows]] = np.where(
            kind[tails[follows] - 1] == NUMBER["NAME"], NUMBER["FACILITY"], kind[tails[follows] - 1]
        )
    plain = (
        (tokens.kind == DIGITS)
        & ~seen.kept
        & (tokens.end - tokens.start <= 6)
        & ~((tokens.value >= 1940) & (tokens.value < 2100))
    )
    for _ in range(2):
        house = np.flatnonzero(plain & (kind == 0))
        after, before = kind[house + 1], kind[house - 1]
        several = tokens.end[house] - tokens.start[house] > 1
        title = (tokens.shape[house + 1] == TITLE) & several & _WORDLY[after]
        beside = (near[house + 1] & ((after == place) | title)) | (near[house] & (before == place))
        kind[house[beside]] = place
    _fill(seen, kind, hyphen)
    _complete_streets(seen, kind, near)
    _complete_codes(seen, kind)
    _complete_names(seen, kind, ordinary)
    _complete_facilities(seen, kind, margin)


def _complete_streets(seen: Look, kind: Bytes, near: npt.NDArray[np.bool_]) -> None:
    """Marks a street from its number to its flat, "83876 W. Lucy Way, unit 7", and the word between two parts of a place."""
    tokens, place = seen.tokens, NUMBER["LOCATION"]
    street = grammar.members("street")[seen.classes]
    word = (tokens.kind == LETTERS) & ~seen.fixed
    number = np.flatnonzero((kind == place) & (tokens.kind == DIGITS))
    for words in (1, 2):
        ends = number[np.minimum(number + words + 1, len(kind) - 1) < len(kind) - 1]
        whole = street[ends + words + 1]
        for step in range(1, words + 2):
            whole = whole & word[ends + step] & near[ends + step]
        for step in range(1, words + 2):
            kind[ends[whole] + step] = place
    dot = (tokens.kind == MARK) & _marks(b",.")[seen.classes] & (kind == 0)
    here = np.flatnonzero((kind == place) & ~seen.fixed)
    compass = np.where(dot[here - 1], here - 2, here - 1)  # 5 W. Maple
    whole = grammar.members("compass")[seen.classes[compass]] & (kind[compass] == 0) & (tokens.kind[compass - 1] == DIGITS)
    kind[_inside(compass[whole] - 1, here[whole])] = place
    flat = np.flatnonzero((kind == 0) & (grammar.members("flat") | _marks(b"#"))[seen.classes])
    ahead, number = flat - 1, flat + 1  # Maple Way, unit #7
    for _ in range(2):
        ahead = np.where(dot[ahead], ahead - 1, ahead)
        number = np.where(dot[number] | (seen.classes[number] == ord("#")), number + 1, number)
    numbered = (tokens.kind[number] == DIGITS) | ((kind[number] == place) & ~seen.fixed[number])
    whole = numbered & (kind[ahead] == place) & ~seen.fixed[ahead]
    kind[_inside(flat[whole], number[whole] + 1)] = place
    parts = np.flatnonzero(_PLACES[kind] & ~seen.fixed)
    for step in (2, 4):  # one word, or one word between hyphens: Reina-on-Sea
        left = parts[parts + step < len(kind)]
        left = left[(kind[left + step] == kind[left]) & ~seen.fixed[left + step]]
        middle = left + step // 2
        joined = word[middle] & (kind[middle] == 0)
        for place_ in range(1, step + 1):
            joined &= near[left + place_]
        if step == 4:
            joined &= (seen.classes[left + 1] == ord("-")) & (seen.classes[left + 3] == ord("-"))
        for place_ in range(1, step):
            kind[left[joined] + place_] = kind[left[joined]]


def _complete_names(seen: Look, kind: Bytes, ordinary: npt.NDArray[np.bool_]) -> None:
    """Marks the other part of a name with a hyphen, of which one part is marked: Young-ho, but not Lee-assisted."""
    tokens = seen.tokens
    tied = np.flatnonzero((seen.classes == ord("-")) & (kind == 0) & (tokens.kind == MARK))
    tied = tied[(tokens.end[tied - 1] == tokens.start[tied]) & (tokens.end[tied] == tokens.start[tied + 1])]
    part = (tokens.kind == LETTERS) & ~(ordinary & (tokens.end - tokens.start > 3)) & ~seen.fixed
    name = (kind == NUMBER["NAME"]) & ~seen.fixed
    for _ in range(2):  # Abd-al-Karim
        whole = tied[(name[tied - 1] & (part | name)[tied + 1]) | ((part | name)[tied - 1] & name[tied + 1])]
        for step in (-1, 0, 1):
            name[whole + step] = True
            kind[whole + step] = np.where(kind[whole + step] == 0, NUMBER["NAME"], kind[whole + step])
    suffix = np.flatnonzero(grammar.members("suffix_of_name")[seen.classes] & (kind == 0) & (tokens.shape != LOWER))
    before = np.where(seen.classes[suffix - 1] == ord(","), suffix - 2, suffix - 1)
    kind[suffix[(kind[before] == NUMBER["NAME"]) & ~seen.fixed[before]]] = NUMBER["NAME"]
    login = np.flatnonzero((seen.classes == ord(".")) & (kind == 0) & (tokens.kind == MARK))  # maria.kim
    login = login[(tokens.end[login - 1] == tokens.start[login]) & (tokens.end[login] == tokens.start[login + 1])]
    small = (tokens.shape == LOWER) & (tokens.kind == LETTERS) & ~seen.fixed
    login = login[small[login - 1] & small[login + 1] & ((kind[login - 1] > 0) | (kind[login + 1] > 0))]
    login = login[tokens.gap[login + 2] > 0]
    for step in (-1, 0, 1):
        kind[login + step] = NUMBER["ID"]


def _complete_facilities(seen: Look, kind: Bytes, margin: npt.NDArray[np.int32]) -> None:
    """Marks the words with a capital beside a marked facility: all before it up to a small word, "at Second Chance House", and
    behind it those that the scorer doubts."""
    tokens, site = seen.tokens, NUMBER["FACILITY"]
    beside = np.zeros(len(kind) + 1, bool)
    beside[1:-1] = (tokens.start[1:] - tokens.end[:-1] <= 1) & (tokens.gap[1:] > 0)
    free = (tokens.kind == LETTERS) & (tokens.shape == TITLE) & (kind == 0) & ~seen.fixed
    free &= ~(grammar.members("called") | grammar.members("who"))[seen.classes]
    free &= lexicon.column(seen.known, "kind") != lexicon.FUNCTION
    first = np.flatnonzero((kind == site) & ~seen.fixed)
    first = first[kind[first - 1] != site]
    at = first
    for _ in range(3):
        at = np.where(free[at - 1] & beside[at], at - 1, at)
    small = (tokens.kind[at - 1] == LETTERS) & (tokens.shape[at - 1] == LOWER) & beside[at]
    small |= (tokens.kind[at - 1] == EDGE) | (tokens.gap[at] > 1) | _marks(b"-(>;*")[seen.classes[at - 1]]
    kind[_inside(at[small], first[small])] = site
    of, the = grammar.members("of")[seen.classes], grammar.members("the")[seen.classes]
    last = np.flatnonzero((kind == site) & ~seen.fixed)
    last = last[of[last + 1] & (kind[last + 1] == 0)]  # Lutheran Home of the Plains
    end = np.where(the[last + 2], last + 3, last + 2)
    whole = free[end]
    kind[_inside(last[whole] + 1, end[whole] + 1)] = site
    for _ in range(3):
        last = np.flatnonzero((kind == site) & ~seen.fixed)
        last = last[free[last + 1] & (tokens.gap[last + 1] == 1) & (margin[last + 1] >= -2 * SLACK) & (kind[last + 1] == 0)]
        kind[last + 1] = site


def _complete_codes(seen: Look, kind: Bytes) -> None:
    """Marks the rest of a code of which a part is marked: what touches it, and what a hyphen or underscore ties to it."""
    tokens = seen.tokens
    part = ((tokens.kind == LETTERS) | (tokens.kind == DIGITS)) & ~seen.fixed
    touches = np.zeros(len(kind) + 1, bool)  # a token directly after the one before it
    touches[1:-1] = tokens.start[1:] == tokens.end[:-1]
    tie = _marks(b"-_")[seen.classes] & (tokens.kind == MARK)
    rows = np.flatnonzero(_CODES[kind] & ~seen.fixed)
    while len(rows):
        right = rows[touches[rows + 1] & part[rows + 1] & (kind[rows + 1] == 0)] + 1
        left = rows[touches[rows] & part[rows - 1] & (kind[rows - 1] == 0)] - 1
        kind[right], kind[left] = kind[right - 1], kind[left + 1]
        tied = rows[touches[rows + 1] & tie[rows + 1] & touches[rows + 2] & (kind[rows + 1] == 0)]
        tied = tied[part[tied + 2] & (kind[tied + 2] == 0) & ((tokens.kind[tied + 2] == DIGITS) | touches[tied + 3])]
        kind[tied + 1] = kind[tied + 2] = kind[tied]
        rows = np.concatenate([right, left, tied + 2])


def _fill(seen: Look, kind: Bytes, hyphen: npt.NDArray[np.bool_]) -> None:
    """Marks what joins two marked parts: hyphens in names, "and" in firms, the state and the marks inside an address."""
    tokens = seen.tokens
    mark_ = tokens.kind == MARK
    joining = grammar.members("joining")[seen.classes]
    inner = np.flatnonzero((kind == 0) & (mark_ | joining))
    inner = inner[(inner > 1) & (inner < len(kind) - 2)]
    before, after = kind[inner - 1], kind[inner + 1]
    both = _WORDLY[before] & _WORDLY[after] & ~seen.fixed[inner - 1] & ~seen.fixed[inner + 1]
    comma = mark_[inner] & (_marks(b",&")[seen.classes[inner]])
    fill = inner[both & (hyphen[inner] | ((before != NUMBER["NAME"]) & comma & (before == after)) | joining[inner])]
    kind[fill] = kind[fill - 1]
    pairs = np.flatnonzero((kind[1:-2] == 0) & (kind[2:-1] == 0) & joining[1:-2] & joining[2:-1]) + 1  # "School for the Deaf"
    pairs = pairs[
        _WORDLY[kind[pairs - 1]] & (kind[pairs + 2] > 0) & (kind[pairs - 1] == kind[pairs + 2]) & ~seen.fixed[pairs - 1]
    ]
    kind[pairs] = kind[pairs + 1] = kind[pairs - 1]
    location = NUMBER["LOCATION"]
    states = np.flatnonzero((kind == 0) & (lexicon.column(seen.known, "place") >= 4) & (tokens.shape != 0))
    states = np.union1d(states, np.flatnonzero((kind == 0) & (tokens.shape == UPPER) & (tokens.end - tokens.start == 2)))
    after_comma = (
        mark_[states - 1] & (seen.classes[states - 1] == ord(",")) & (kind[states - 2] == location) & ~seen.fixed[states - 2]
    )
    kind[states[after_comma]] = kind[states[after_comma] - 1] = location
    place = np.flatnonzero((kind == location) & ~seen.fixed)
    free = (kind == 0) & ((mark_ & (seen.classes != ord(":"))) | ((tokens.kind == LETTERS) & (tokens.shape != 0)))
    left = place[:-1][(np.diff(place) > 1) & (np.diff(place) < 9)]
    right = place[1:][(np.diff(place) > 1) & (np.diff(place) < 9)]
    blocked, words = (_count_between(some, left, right) for some in (~free, tokens.kind == LETTERS))
    lines = _count_between(tokens.gap > 1, left, right + 1)
    inside = (blocked == 0) & (words <= 3) & (lines <= 2)
    kind[_inside(left[inside] + 1, right[inside])] = location


def _count_between(some: npt.NDArray[np.bool_], left: Ints, right: Ints) -> Ints:
    """How many of some tokens stand between each token `left` and its token `right`."""
    before = np.cumsum(some)
    return np.asarray(before[right - 1] - before[left])


class Findings(NamedTuple):
    """The spans of some notes as columns, in the order of the notes: note, start, end, kind (TYPES from 1), rule (RULES),
    margin."""

    note: Ints
    start: Ints
    end: Ints
    kind: Bytes
    rule: Bytes
    margin: npt.NDArray[np.int32]

    def triples(self, notes: int) -> list[list[tuple[int, int, str]]]:
        """The spans of each note as plain tuples: start, end, type."""
        kinds = [TYPES[kind - 1] for kind in self.kind.tolist()]
        rows = list(zip(self.start.tolist(), self.end.tolist(), kinds, strict=True))
        return [rows[a:b] for a, b in self._bounds(notes)]

    def spans(self, notes: int) -> list[list[Span]]:
        """The spans of each note."""
        return [list(map(Span._make, some)) for some in self.triples(notes)]

    def reasons(self, notes: int) -> list[list[tuple[int, int]]]:
        """Of each span of each note its rule and its margin."""
        rows = list(zip(self.rule.tolist(), self.margin.tolist(), strict=True))
        return [rows[a:b] for a, b in self._bounds(notes)]

    def _bounds(self, notes: int) -> Iterator[tuple[int, int]]:
        return pairwise(np.searchsorted(self.note, np.arange(notes + 1)).tolist())


def runs(marked: Marked) -> tuple[Ints, Ints]:
    """The first and the last token of each span: tokens of one type with at most one space between them; an identifier of the
    grammar stays one span."""
    tokens = marked.look.tokens
    rows = np.flatnonzero(marked.kind)
    start, end, what = tokens.start[rows], tokens.end[rows], marked.kind[rows]
    whole = tokens.kind[rows] == IDENTIFIER
    new = np.ones(len(rows), bool)
    apart = (np.diff(rows) > 1) | (start[1:] - end[:-1] > 1) | (tokens.gap[rows[1:]] > 1)
    new[1:] = apart | (what[1:] != what[:-1]) | whole[1:] | whole[:-1]
    first = np.flatnonzero(new)
    return rows[first], rows[np.append(first[1:], len(rows))[: len(first)] - 1]


def findings(marked: Marked) -> Findings:
    """The spans, as columns: see `runs`."""
    tokens = marked.look.tokens
    first, last = runs(marked)
    begin, stop = tokens.start[first], tokens.end[last]
    note = np.searchsorted(tokens.first, begin, side="right") - 1
    offset = tokens.first[note] if len(first) else begin
    edges = np.stack([first, last + 1], 1).ravel()
    margin = np.maximum.reduceat(np.append(marked.margin, 0), edges)[::2]
    return Findings(note, begin - offset, stop - offset, marked.kind[first], marked.rule[first], margin)


def find(
    texts: Sequence[str],
    patients: Ints,
    known: Sequence[str] | None = None,
    again: bool = True,
    shared: Names | None = None,
) -> tuple[Findings, Marked]:
    """The spans of some notes, and the first look at them. patients, known, shared: as for `mark`.

    again: with a placeholder in place of each span a neighbour may be told apart that could not be before; the notes of such
    patients are looked at until nothing is found, so that de-identifying twice changes nothing. A note that is not at rest
    after MOST_LOOKS loses every word that the scorer is asked about: the time is linear in its length, whatever it holds.
    """
    marked = mark(look(texts), patients, known=known, shared=shared)
    found, latest = [findings(marked)], marked
    while again:
        open_ = np.isin(patients, patients[found[-1].note])
        open_ |= shared.next_look()[patients] if shared is not None else False
        if not open_.any():
            break
        latest = mark(look_again(latest, np.flatnonzero(open_)), patients, known=known, shared=shared)
        if len(found) >= MOST_LOOKS:
            _mask_asked(latest)
        found.append(findings(latest))
    return together(found), marked


_NONE, _NO_KIND = np.zeros(0, np.int64), np.zeros(0, np.uint8)
NOTHING = Findings(_NONE, _NONE, _NONE, _NO_KIND, _NO_KIND, np.zeros(0, np.int32))


def together(found: Sequence[Findings]) -> Findings:
    """Several findings as one, in the order of the notes."""
    columns = [np.concatenate(column) for column in zip(*found, strict=True)]
    order = np.lexsort((columns[1], columns[0]))
    return Findings(*(column[order] for column in columns))


MOST_LOOKS = 12
"""After so many looks a note is no clinical text."""


def _mask_asked(marked: Marked) -> None:
    """Marks every word that the scorer is asked about, in the notes in which anything is marked."""
    note = _notes_of(marked.look.tokens)
    restless = np.zeros(len(marked.look.tokens.first) + 1, bool)
    restless[note[marked.kind > 0]] = True
    rows = rows_to_score(marked.look)
    rows = rows[(marked.kind[rows] == 0) & restless[note[rows]]]
    marked.kind[rows], marked.rule[rows] = NUMBER["NAME"], RULES.index("beside")


def doubtful(marked: Marked) -> tuple[Ints, Ints, Ints]:
    """The words that the scorer was unsure of and that were not masked: note, start and end of each."""
    rows = np.flatnonzero((marked.kind == 0) & (marked.margin > -2 * SLACK) & (marked.look.tokens.kind == LETTERS))
    note = _notes_of(marked.look.tokens)[rows]
    offset = marked.look.tokens.first[note] if len(rows) else rows
    return note, marked.look.tokens.start[rows] - offset, marked.look.tokens.end[rows] - offset
