"""How much surer than its threshold the scorer must be of a word that medicine or English explains as well.

All amounts are in hundredths of a logit.
"""

from functools import cache

import numpy as np
import numpy.typing as npt

from dxtune.deid import grammar, lexicon
from dxtune.deid.looks import Look, ranges
from dxtune.deid.patterns import EITHER_CLASS
from dxtune.deid.scorer import ORDINARY
from dxtune.deid.tokens import DIGITS, EDGE, INITIAL, LETTERS, LOWER, MARK, TITLE, UPPER, Hashes, Ints, Tokens, hash_words

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
TURN = 1000
"""What a common word must be surer of that opens a turn of a transcript, or a sentence in it: "Patient: No. However, I do"."""
SPELLED = 1000
"""What letters must be surer of that a transcript spells out: "C T", "G V H D", "x ray"."""
CLINICAL = 500
"""What a clinical word in small letters must be surer of before one that ends the names of places, too: "prostate cancer"."""
TURNS = 3
"""So many lines that open with a word and a colon are turns of a talk, not a form, where these are two words or more, and at
most two for three lines."""
FIRST = 4
"""How usual a first name must be for a word and a comma before it to be a surname: "Good, Robert"."""
CRIES = ("oh", "ah", "aw", "eh", "ha", "huh", "uh", "um", "hm", "hmm", "yeah", "yep", "yup", "nah", "wow", "hey", "ouch")
"""What opens a turn and is in no list of common words."""
_ABBREVIATION = 1 << lexicon.FLAGS.index("a")
UNEXPLAINED = 250
"""How much less sure the scorer must be of two or three capitals that no lexicon knows: initials, as likely as not."""


def doubt(seen: Look, rows: Ints, words: npt.NDArray[np.bool_], named: npt.NDArray[np.bool_]) -> Ints:
    """How much surer than the threshold the scorer must be of each of some tokens. words: they are letters that touch no digit;
    named: the scorer thinks of a name or a place.
    """
    tokens, classes, known = seen.tokens, seen.classes[rows], seen.known[rows]
    shape, mark_, after = tokens.shape[rows], tokens.mark[rows], rows + 1
    length = tokens.end[rows] - tokens.start[rows]
    more = EPONYM * _eponyms(seen)[rows].astype(np.int64)
    for much, group in ((USUAL, "usual"), (CALLED_AFTER, "eponym")):
        more += much * grammar.members(group)[classes]
    more += DRUG * (lexicon.column(known, "flags") & 1)
    more += SCORE * (classes == EITHER_CLASS)
    contracted = (seen.classes[after] == ord("'")) & (tokens.gap[after] == 0) & (tokens.gap[after + 1] == 0)  # Don't, Ma'am
    more += EPONYM * (contracted & np.isin(tokens.word[after + 1], _contractions()) & (lexicon.column(known, "kind") > 0))
    pronoun = (classes == ord("I")) & (mark_ == ord("i")) & (seen.classes[after] != ord("."))  # "I feel well"; not "I. Brandt"
    article = (shape == INITIAL) & (mark_ == ord("a")) & (tokens.shape[after] == LOWER) & (tokens.gap[after] > 0)  # "A drain"
    short = (length <= 4) & (tokens.kind[rows] == LETTERS)
    formula = short & ~words & named  # pO2, CD4
    more += EPONYM * (pronoun | (article & (tokens.kind[after] == LETTERS)) | _sex(seen, rows) | formula)
    english = lexicon.column(known, "english")
    seldom = np.maximum(lexicon.column(known, "surname"), lexicon.column(known, "first")) <= 2
    more += ENGLISH * (((shape == LOWER) & (english >= 5)) | ((shape == TITLE) & (english >= 4) & seldom))
    colons, talk = _talk(seen)
    more += TURN * _opens_turn(seen, colons, talk)[rows] + SPELLED * _spelled(seen, talk)[rows]
    clinical = (shape == LOWER) & (lexicon.column(known, "clinical") >= 3) & _ordinary(seen, rows - 1)
    ends_place = grammar.members("tail")[seen.classes]
    tail = ends_place[after] & ~ends_place[after + 1] & (tokens.shape[after] == LOWER)  # not: joint surgery center
    more += CLINICAL * (clinical & tail & (lexicon.column(seen.known[after], "clinical") == 5))
    more -= UNEXPLAINED * ((shape == UPPER) & (length <= 3) & (known & lexicon.KNOWN == 0))
    return more


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


def _talk(seen: Look) -> tuple[Ints, npt.NDArray[np.bool_]]:
    """The colons behind the speakers of talks; and which notes are talks."""
    tokens = seen.tokens
    line = (tokens.gap > 1) | (tokens.kind == EDGE)
    colon = np.flatnonzero((tokens.kind == MARK) & (seen.classes == ord(":")))
    colon = colon[line[colon - 1] | line[colon - 2] | line[colon - 3]]
    note = _notes_of(tokens, colon)
    _, speaker = np.unique(tokens.word[colon - 1] + note.astype(np.uint64), return_index=True)
    turns, speakers = (np.bincount(some, minlength=len(tokens.first)) for some in (note, note[speaker]))
    talk = (turns >= TURNS) & (speakers > 1) & (3 * speakers <= 2 * turns)
    return colon[talk[note]], talk


def _opens_turn(seen: Look, colon: Ints, talk: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
    """Which tokens are the first of a speaker's turn, or of a sentence in it, and words that are said more often than anybody
    is called so; and the first of two words that a speaker is called by, "Guest" in "Guest_family: Hello".

    A turn of one word may be the answer to "What is your last name?": there only what is next to never a name. None is a
    surname before its first name.
    """
    tokens = seen.tokens
    line = (tokens.gap > 1) | (tokens.kind == EDGE)
    stop = np.flatnonzero((tokens.kind == MARK) & grammar.marks(b".?!")[seen.classes])
    stop = stop[talk[_notes_of(tokens, stop)] & (tokens.gap[stop + 1] > 0)]
    stop = stop[~grammar.members("called")[seen.classes[stop - 1]] & (tokens.shape[stop - 1] != INITIAL)]  # Dr. Good, J. Good
    said = np.concatenate([colon, stop]) + 1
    usual = _usual(seen, said) | np.isin(tokens.word[said], _cries())
    alone = line[said + 1] | (line[said + 2] & (tokens.kind[said + 1] == MARK))
    turned = (seen.classes[said + 1] == ord(",")) & (lexicon.column(seen.known[said + 2], "first") >= FIRST)
    opens = np.zeros(len(tokens), bool)
    opens[said[usual & ~turned & (_called(seen, said) <= np.where(alone, 2, 5))]] = True
    role = colon[line[colon - 3] & (seen.classes[colon - 2] == ord("_")) & (tokens.shape[colon - 1] == LOWER)] - 3
    opens[role[_usual(seen, role) & (_called(seen, role) <= 4)]] = True
    return opens


def _ordinary(seen: Look, rows: Ints) -> npt.NDArray[np.bool_]:
    """Which of some tokens are no words, or small ones that are plainly English or clinical."""
    plain = (seen.tokens.shape[rows] == LOWER) & ORDINARY[lexicon.column(seen.known[rows], "kind")]
    return np.asarray(plain | (seen.tokens.kind[rows] != LETTERS))


def _usual(seen: Look, rows: Ints) -> npt.NDArray[np.bool_]:
    """Which of some tokens are words of everyday English or of medicine."""
    known = seen.known[rows]
    return np.asarray(ORDINARY[lexicon.column(known, "kind")] | (lexicon.column(known, "english") >= 5))


def _called(seen: Look, rows: Ints) -> Ints:
    """How often people are called by some tokens."""
    known = seen.known[rows]
    return np.maximum(lexicon.column(known, "surname"), 2 * lexicon.column(known, "first"))


def _notes_of(tokens: Tokens, rows: Ints) -> Ints:
    """Of each of some tokens the number of its note."""
    return np.searchsorted(tokens.first, tokens.start[rows], side="right") - 1


def _spelled(seen: Look, talk: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
    """Which tokens of a talk are letters in a row that are a clinical abbreviation together; or those of "x ray" anywhere.

    Behind a title, a patient or a name's label, and before a word with a capital, letters are initials.
    """
    tokens = seen.tokens
    single = (tokens.kind == LETTERS) & (tokens.end - tokens.start == 1)
    spelled = np.zeros(len(tokens), bool)
    ray = np.flatnonzero(np.isin(tokens.word, _rays()))
    spelled[ray[single[ray - 1] & (tokens.mark[ray - 1] == ord("x")) & (tokens.shape[ray] == LOWER)]] = True
    capital = single & (tokens.shape == INITIAL)
    follows = np.zeros(len(tokens) + 1, bool)
    follows[1:-1] = capital[1:] & capital[:-1] & (tokens.gap[1:] == 1)
    first, last = np.flatnonzero(~follows[:-1] & follows[1:]), np.flatnonzero(follows[:-1] & ~follows[1:])
    said = talk[_notes_of(tokens, first)]
    first, last = first[said], last[said]
    title, name = grammar.members("called") | grammar.members("patient"), grammar.members("who")
    dotted = np.where(seen.classes[first - 1] == ord("."), first - 2, first - 1)
    named = np.where(seen.classes[first - 1] == ord(":"), first - 2, first - 1)
    initials = title[seen.classes[dotted]] | name[seen.classes[named]]
    initials |= (tokens.shape[last + 1] == TITLE) & (tokens.gap[last + 1] == 1)
    first, last = first[~initials], last[~initials]
    words = ["".join(map(chr, tokens.mark[a : b + 1])) for a, b in zip(first.tolist(), last.tolist(), strict=True)]
    abbreviated = (lexicon.column(lexicon.look_up(hash_words(words)), "flags") & _ABBREVIATION) > 0
    spelled[ranges(first[abbreviated], last[abbreviated] + 1)] = True
    return spelled


@cache
def _contractions() -> Hashes:
    return hash_words(["t", "am"])


@cache
def _rays() -> Hashes:
    return hash_words(["ray", "rays"])


@cache
def _cries() -> Hashes:
    return hash_words(CRIES)


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
