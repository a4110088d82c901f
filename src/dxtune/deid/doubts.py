"""How much surer than its threshold the scorer must be of a word that medicine or English explains as well.

All amounts are in hundredths of a logit.
"""

from functools import cache

import numpy as np
import numpy.typing as npt

from dxtune.deid import grammar, lexicon
from dxtune.deid.looks import Look
from dxtune.deid.patterns import EITHER_CLASS
from dxtune.deid.tokens import DIGITS, EDGE, INITIAL, LETTERS, LOWER, MARK, TITLE, UPPER, Hashes, Ints, hash_words

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
"""What a common word must be surer of that opens a turn of a transcript: "Patient: No, I do not"."""
TURNS = 3
"""So many lines that open with a word and a colon are turns of a talk, not a form, where these are two words or more, and at
most two for three lines."""
FIRST = 4
"""How usual a first name must be for a word and a comma before it to be a surname: "Good, Robert"."""
CRIES = ("oh", "ah", "aw", "eh", "ha", "huh", "uh", "um", "hm", "hmm", "yeah", "yep", "yup", "nah", "wow", "hey", "ouch")
"""What opens a turn and is in no list of common words."""
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
    pronoun = (classes == ord("I")) & (mark_ == ord("i")) & (seen.classes[after] != ord("."))  # "I feel well"; not "I. Brandt"
    article = (shape == INITIAL) & (mark_ == ord("a")) & (tokens.shape[after] == LOWER) & (tokens.gap[after] > 0)  # "A drain"
    short = (length <= 4) & (tokens.kind[rows] == LETTERS)
    formula = short & ~words & named  # pO2, CD4
    more += EPONYM * (pronoun | (article & (tokens.kind[after] == LETTERS)) | _sex(seen, rows) | formula)
    english = lexicon.column(known, "english")
    seldom = np.maximum(lexicon.column(known, "surname"), lexicon.column(known, "first")) <= 2
    more += ENGLISH * (((shape == LOWER) & (english >= 5)) | ((shape == TITLE) & (english >= 4) & seldom))
    more += TURN * _opens_turn(seen)[rows]
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


def _opens_turn(seen: Look) -> npt.NDArray[np.bool_]:
    """Which tokens are the first of a speaker's turn, and words that are said more often than anybody is called so.

    A turn of one word may be the answer to "What is your last name?": there only what is next to never a name. None is a
    surname before its first name.
    """
    tokens = seen.tokens
    line = (tokens.gap > 1) | (tokens.kind == EDGE)
    colon = np.flatnonzero((tokens.kind == MARK) & (seen.classes == ord(":")))
    colon = colon[line[colon - 1] | line[colon - 2] | line[colon - 3]]
    note = np.searchsorted(tokens.first, tokens.start[colon], side="right") - 1
    _, speaker = np.unique(tokens.word[colon - 1] + note.astype(np.uint64), return_index=True)
    turns, speakers = (np.bincount(some, minlength=len(tokens.first)) for some in (note, note[speaker]))
    said = colon[((turns >= TURNS) & (speakers > 1) & (3 * speakers <= 2 * turns))[note]] + 1
    known = seen.known[said]
    usual = np.isin(lexicon.column(known, "kind"), (lexicon.FUNCTION, lexicon.COMMON)) | np.isin(tokens.word[said], _cries())
    called = np.maximum(lexicon.column(known, "surname"), 2 * lexicon.column(known, "first"))
    alone = line[said + 1] | (line[said + 2] & (tokens.kind[said + 1] == MARK))
    turned = (seen.classes[said + 1] == ord(",")) & (lexicon.column(seen.known[said + 2], "first") >= FIRST)
    opens = np.zeros(len(tokens), bool)
    opens[said[usual & ~turned & (called <= np.where(alone, 2, 5))]] = True
    return opens


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
