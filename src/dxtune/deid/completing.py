"""Marks what belongs to what is marked already: doubtful neighbours, and the rest of names, streets, facilities and codes."""

import numpy as np
import numpy.typing as npt

from dxtune.deid import grammar, lexicon
from dxtune.deid.looks import NUMBER, Look, ranges
from dxtune.deid.spans import TYPES
from dxtune.deid.tokens import DIGITS, EDGE, LETTERS, LOWER, MARK, TITLE, UPPER, Bytes, Ints, hash_words

SLACK = 300
"""How much below the threshold a word may be that stands beside a masked one. Scores are in hundredths of a logit."""
_WORDLY = np.isin(np.arange(len(TYPES) + 1), [NUMBER["NAME"], NUMBER["LOCATION"], NUMBER["FACILITY"]])
"""The types that are made of words, and so come in runs."""
_PLACES = np.isin(np.arange(len(TYPES) + 1), [NUMBER["LOCATION"], NUMBER["FACILITY"]])
_CODES = np.isin(
    np.arange(len(TYPES) + 1),
    [NUMBER[kind] for kind in ("ID", "MRN", "LICENSE", "DEVICE", "VEHICLE", "ACCOUNT", "HEALTH_PLAN")],
)
"""The types whose values are runs of letters and digits."""
_TOWN = hash_words([
    "beach", "bluff", "bluffs", "city", "creek", "falls", "ferry", "grove", "harbor", "harbour", "heights", "hills", "island",
    "junction", "lakes", "landing", "park", "rapids", "rivers", "springs", "valley", "village",
])  # fmt: skip
"""Second words of towns that medicine does not use behind a place."""
_WORKS, _FOR = hash_words(["works", "worked", "working", "employed"]), hash_words(["for", "at", "by"])
_ORDINARY = np.isin(np.arange(32), (lexicon.FUNCTION, lexicon.COMMON, lexicon.MEDICAL, lexicon.SOME_MEDICAL))


def spread(seen: Look, kind: Bytes, margin: npt.NDArray[np.int32], guess: Bytes) -> None:
    """Marks what belongs to what is marked. margin: how far above the threshold the scorer is; guess: what it thinks of."""
    tokens = seen.tokens
    near = np.zeros(len(kind) + 1, bool)  # a token directly after the one before it, or after one space
    near[1:-1] = (tokens.start[1:] - tokens.end[:-1] <= 1) & (tokens.gap[1:] < 2)
    hyphen = (tokens.kind == MARK) & grammar.marks(b"-'.")[seen.classes]
    ordinary = _ORDINARY[lexicon.column(seen.known, "kind")]
    label = np.zeros(len(kind), bool)  # Unit No:
    label[:-1] = grammar.members("patient")[seen.classes[:-1]] & grammar.members("idword")[seen.classes[1:]]
    doubtful = (margin >= np.where(ordinary, -SLACK // 3, -SLACK)) & (kind == 0) & (tokens.kind == LETTERS) & ~label
    _spread_to_doubtful(kind, np.flatnonzero(doubtful & _WORDLY[guess] & (tokens.shape != LOWER)), near, hyphen)
    wing = (grammar.members("wing") | grammar.members("box_unit"))[seen.classes]  # St. Hilda's Day Unit
    wing &= (tokens.shape == TITLE) & ~label
    _spread_to_small_words(seen, kind, near, grammar.members("tail")[seen.classes] | wing)
    _spread_to_house_numbers(seen, kind, near)
    _fill(seen, kind, hyphen)
    _complete_streets(seen, kind, near)
    _complete_towns(seen, kind, near)
    _complete_codes(seen, kind)
    _complete_names(seen, kind, ordinary)
    _mark_employers(seen, kind, near)
    _complete_facilities(seen, kind, margin)


def _spread_to_doubtful(kind: Bytes, doubtful: Ints, near: npt.NDArray[np.bool_], hyphen: npt.NDArray[np.bool_]) -> None:
    """Marks the doubtful words beside marked ones, and beside those, four words far."""
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


def _spread_to_small_words(seen: Look, kind: Bytes, near: npt.NDArray[np.bool_], tail: npt.NDArray[np.bool_]) -> None:
    """Marks the particles before a name, "van der", the words behind one that make it a facility, "Clinic" (tail), and those
    that towns begin with, "Port"."""
    tokens, name = seen.tokens, NUMBER["NAME"]
    particles = np.flatnonzero((kind == 0) & grammar.members("particle")[seen.classes])
    for _ in range(2):
        after = np.where(seen.classes[particles + 1] == ord("-"), particles + 2, particles + 1)
        leads = near[particles + 1] & (kind[after] == name) & ~seen.fixed[after]
        kind[particles[leads]] = name
    tails = np.flatnonzero((kind == 0) & tail)
    for _ in range(2):
        firm = seen.classes[tails - 1] == ord("&")  # Kessler & Sons
        ahead = np.where(firm, tails - 2, tails - 1)
        same_case = (tokens.shape[tails] != LOWER) | (tokens.shape[ahead] == LOWER)
        follows = near[tails] & same_case & _WORDLY[kind[ahead]] & (kind[tails] == 0) & ~seen.fixed[ahead]
        before = kind[ahead[follows]]
        kind[tails[follows]] = np.where(before == name, NUMBER["FACILITY"], before)
        kind[tails[follows & firm] - 1] = NUMBER["FACILITY"]
    towns = np.flatnonzero((kind == 0) & grammar.members("toponym")[seen.classes])  # port ellery
    same_case = (tokens.shape[towns] == LOWER) == (tokens.shape[towns + 1] == LOWER)
    leads = near[towns + 1] & same_case & _WORDLY[kind[towns + 1]] & (tokens.kind[towns + 1] == LETTERS)
    kind[towns[leads & ~seen.fixed[towns + 1]]] = NUMBER["LOCATION"]


def _spread_to_house_numbers(seen: Look, kind: Bytes, near: npt.NDArray[np.bool_]) -> None:
    """Marks the numbers beside a place that nothing explains and that are no year."""
    tokens, place = seen.tokens, NUMBER["LOCATION"]
    year = (tokens.value >= 1940) & (tokens.value < 2100)
    plain = (tokens.kind == DIGITS) & ~seen.kept & (tokens.end - tokens.start <= 6) & ~year
    for _ in range(2):
        house = np.flatnonzero(plain & (kind == 0))
        after, before = kind[house + 1], kind[house - 1]
        several = tokens.end[house] - tokens.start[house] > 1
        title = (tokens.shape[house + 1] == TITLE) & several & _WORDLY[after]
        beside = (near[house + 1] & ((after == place) | title)) | (near[house] & (before == place))
        kind[house[beside]] = place


def _complete_streets(seen: Look, kind: Bytes, near: npt.NDArray[np.bool_]) -> None:
    """Marks a street from its number to its flat, "83876 W. Lucy Way, unit 7", and the word between two parts of a place."""
    tokens, place = seen.tokens, NUMBER["LOCATION"]
    street = grammar.members("street")[seen.classes]
    word = (tokens.kind == LETTERS) & ~seen.fixed
    number = np.flatnonzero((kind == place) & (tokens.kind == DIGITS))
    for words in (1, 2, 3):
        ends = number[np.minimum(number + words + 1, len(kind) - 1) < len(kind) - 1]
        whole = street[ends + words + 1]
        for step in range(1, words + 2):
            whole = whole & word[ends + step] & near[ends + step]
        for step in range(1, words + 2):
            kind[ends[whole] + step] = place
    dot = (tokens.kind == MARK) & grammar.marks(b",.")[seen.classes] & (kind == 0)
    here = np.flatnonzero((kind == place) & ~seen.fixed)
    compass = np.where(dot[here - 1], here - 2, here - 1)  # 5 W. Maple
    whole = grammar.members("compass")[seen.classes[compass]] & (kind[compass] == 0) & (tokens.kind[compass - 1] == DIGITS)
    kind[ranges(compass[whole] - 1, here[whole])] = place
    flat = np.flatnonzero((kind == 0) & (grammar.members("flat") | grammar.marks(b"#"))[seen.classes])
    ahead, number = flat - 1, flat + 1  # Maple Way, unit #7
    for _ in range(2):
        ahead = np.where(dot[ahead], ahead - 1, ahead)
        number = np.where(dot[number] | (seen.classes[number] == ord("#")), number + 1, number)
    numbered = (tokens.kind[number] == DIGITS) | ((kind[number] == place) & ~seen.fixed[number])
    whole = numbered & (kind[ahead] == place) & ~seen.fixed[ahead]
    kind[ranges(flat[whole], number[whole] + 1)] = place
    parts = np.flatnonzero(_PLACES[kind] & ~seen.fixed)
    tail = grammar.members("tail")[seen.classes]
    function = lexicon.column(seen.known, "kind") == lexicon.FUNCTION
    for step in (2, 4):  # one word, or one word between hyphens: Reina-on-Sea
        left = parts[parts + step < len(kind)]
        left = left[_PLACES[kind[left + step]] & ~seen.fixed[left + step]]
        mixed = (kind[left + step] != kind[left]) & ((step > 2) | ~tail[left + step] | function[left + 1])
        left = left[~mixed]
        middle = left + step // 2
        joined = word[middle] & (kind[middle] == 0)
        for place_ in range(1, step + 1):
            joined &= near[left + place_]
        if step == 4:
            joined &= (seen.classes[left + 1] == ord("-")) & (seen.classes[left + 3] == ord("-"))
        for place_ in range(1, step):
            kind[left[joined] + place_] = kind[left[joined]]


def _complete_towns(seen: Look, kind: Bytes, near: npt.NDArray[np.bool_]) -> None:
    """Marks a town of two words in small letters behind a place: "12 elm st, grand rapids", "at the clinic in cedar falls"."""
    tokens = seen.tokens
    small = (tokens.kind == LETTERS) & (tokens.shape == LOWER) & (kind == 0)
    places = np.flatnonzero(_PLACES[kind])
    places = places[(tokens.kind[places] != EDGE) & (tokens.kind[places + 1] != EDGE) & (tokens.kind[places + 2] != EDGE)]
    inside = seen.classes[places + 1] == ord(grammar.word_codes()["in"])
    behind = (seen.classes[places + 1] == ord(",")) & (kind[places] == NUMBER["LOCATION"])
    town = places[inside | behind] + 3
    town = town[small[town] & small[town - 1] & near[town] & near[town - 1]]
    closed = grammar.marks(b",.;")[seen.classes[town + 1]] | (tokens.gap[town + 1] > 1) | (tokens.kind[town + 1] == EDGE)
    town = town[closed & np.isin(tokens.word[town], _TOWN)]
    kind[town] = kind[town - 1] = NUMBER["LOCATION"]


def _mark_employers(seen: Look, kind: Bytes, near: npt.NDArray[np.bool_]) -> None:
    """Marks whom somebody works for, two words with capitals or more: "works for Tri-City Paving". Identifiers of employers go,
    too: 45 CFR 164.514(b)(2)(i)."""
    tokens = seen.tokens
    capital = (tokens.kind == LETTERS) & (tokens.shape == TITLE) & ~seen.fixed
    works = np.flatnonzero(np.isin(tokens.word, _WORKS))
    works = works[np.isin(tokens.word[works + 1], _FOR)]
    first = np.where(grammar.members("the")[seen.classes[works + 2]], works + 3, works + 2)
    first = first[capital[first]]
    last = first
    for _ in range(5):
        after = np.where(seen.classes[last + 1] == ord("-"), last + 2, last + 1)
        last = np.where(capital[after] & near[after] & near[last + 1], after, last)
    named = ranges(first[last > first], last[last > first] + 1)
    kind[named[kind[named] == 0]] = NUMBER["FACILITY"]


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
    small |= (tokens.kind[at - 1] == EDGE) | (tokens.gap[at] > 1) | grammar.marks(b"-(>;*")[seen.classes[at - 1]]
    kind[ranges(at[small], first[small])] = site
    of, the = grammar.members("of")[seen.classes], grammar.members("the")[seen.classes]
    last = np.flatnonzero((kind == site) & ~seen.fixed)
    last = last[of[last + 1] & (kind[last + 1] == 0)]  # Lutheran Home of the Plains
    end = np.where(the[last + 2], last + 3, last + 2)
    whole = free[end]
    kind[ranges(last[whole] + 1, end[whole] + 1)] = site
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
    tie = grammar.marks(b"-_")[seen.classes] & (tokens.kind == MARK)
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
    comma = mark_[inner] & (grammar.marks(b",&")[seen.classes[inner]])
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
    kind[ranges(left[inside] + 1, right[inside])] = location


def _count_between(some: npt.NDArray[np.bool_], left: Ints, right: Ints) -> Ints:
    """How many of some tokens stand between each token `left` and its token `right`."""
    before = np.cumsum(some)
    return np.asarray(before[right - 1] - before[left])
