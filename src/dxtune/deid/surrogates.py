"""Surrogates: made-up values that stand for identifiers, so that one that the finder missed hides among them.

Source: Carrell et al., Hiding in plain sight (JAMIA 2013). Each is drawn by HMAC-SHA256 from the key, the patient, the type and
the value: a value has one surrogate in all notes of a patient, and another one in those of the next.
"""

import hashlib
import hmac
import re
import unicodedata
from collections.abc import Iterable, Sequence, Set
from datetime import timedelta
from string import digits
from typing import Literal, NamedTuple

from dxtune.deid import surrogate_names as names
from dxtune.deid.keyed import Keyed
from dxtune.deid.spans import Triple
from dxtune.deid.surrogate_names import shift, year

CACHED = 100_000
"""Values that are remembered. Nothing but the time depends on it."""
_TOKEN = re.compile(  # a word, a number or a ZIP+4 code; not the s of "Smith's", not the O of "O'Brien"
    r"(?!(?<=[^\W_]['’])[sS](?![^\W_])|[^\W\d_]['’][^\W\d_]{2})"
    r"(?:[0-9]{5}-[0-9]{4}(?![^\W_])|[^\W_](?:[^\W_]|[\u0300-\u1fff])*)"  # with the vowel signs of other scripts
)
_SEGMENT = re.compile(r"[^,;()\n]+")
_ZIP = re.compile(r"([0-9]{3})[0-9]{2}(-[0-9]{4})?")
_ORDINAL = re.compile(r"([0-9]+)(?:st|nd|rd|th)", re.I)
_ACRONYM = re.compile(r"[a-z](?:[b-df-hj-np-tv-xz]{1,4})?")
_TELLING = re.compile(r"[^\W\d_]{3,}|[0-9]{5,}")


class _Owner(NamedTuple):
    """What the surrogates of a patient are drawn with, how far the dates move, and the names that were drawn."""

    keyed: Keyed
    offset: timedelta
    names: dict[str, str]


def words_of(values: Iterable[str]) -> frozenset[str]:
    """The words of three letters or more and the numbers of five digits or more in some values, small and without diacritics.

    >>> sorted(words_of(["Dr. Zoë O'Hara", "MRN 0042-88137"]))
    ['88137', 'hara', 'mrn', 'zoe']
    """
    return frozenset(_TELLING.findall("\n".join([value if value.isascii() else _folded(value) for value in values]).lower()))


def _folded(value: str) -> str:
    """The value without diacritics, its digits in ASCII."""
    marks = [c for c in unicodedata.normalize("NFKD", value.casefold()) if unicodedata.category(c)[0] != "M"]
    return "".join([str(unicodedata.decimal(c)) if c.isdecimal() else c for c in marks]).translate(names.UNDRESSED)


class Surrogates:
    """Replaces identifiers by made-up ones of their kind. What comes back depends on the arguments alone.

    key: secret, or anybody can redo the mapping. dates: `year` leaves of a date its year (45 CFR 164.514(b)(2)(i)(C)); `shift`
    moves it by up to 52 whole weeks, the same for all dates of a patient (not Safe Harbor: 164.514(b)(1)). taken: `words_of`
    the identifiers of the corpus: no surrogate holds one of them, save reserved domains, telephone and social security
    numbers, which are nobody's.

    >>> spans = [(0, 8, "NAME"), (10, 18, "DATE")]
    >>> Surrogates(b"sixteen bytes or more", "shift").replace("Ana King, 3/4/2019", spans, "patient 1")
    'Shreya Nolan, 1/27/2020'
    """

    def __init__(self, key: bytes, dates: Literal["year", "shift"] = "year", taken: Set[str] = frozenset()) -> None:
        self._key, self._dates, self._taken = key, dates, taken
        self._cache: dict[tuple[str, str, str], str] = {}
        self._owners: dict[str, _Owner] = {}

    def replace(self, text: str, spans: Sequence[Triple], patient: str) -> str:
        """The note with a surrogate in place of each span. spans: sorted, none overlapping. patient: whose note it is."""
        parts: list[str] = []
        done, known = 0, self._cache
        for start, end, kind in spans:
            value = text[start:end]
            new = known.get((patient, kind, value))
            parts += (text[done:start], self._remember(patient, kind, value) if new is None else new)
            done = end
        parts.append(text[done:])
        return "".join(parts)

    def _remember(self, patient: str, kind: str, value: str) -> str:
        if len(self._cache) >= CACHED:
            self._cache.clear()
            self._owners.clear()
        if (owner := self._owners.get(patient)) is None:
            key = hmac.digest(self._key, b"surrogates\0" + patient.encode("utf-8", "surrogatepass"), "sha256")
            weeks = int.from_bytes(hmac.digest(key, b"weeks", "sha256")[:4], "big") % 104
            offset = timedelta(weeks=weeks - 52 if weeks < 52 else weeks - 51)
            owner = self._owners[patient] = _Owner(Keyed(key), offset, {})
        new = self._make(owner, kind, value) if any(map(str.isalnum, value)) else value
        self._cache[patient, kind, value] = new
        return new

    def _make(self, owner: _Owner, kind: str, value: str) -> str:
        match kind:
            case "NAME":
                new = _TOKEN.sub(lambda token: self._name(owner, token[0]), value)
            case "LOCATION":
                new = _SEGMENT.sub(lambda part: self._segment(owner, part[0]), value)
            case "FACILITY":
                new = _rewritten(value, self._places(owner, kind, _TOKEN.findall(value), names.FACILITY_KEPT))
            case "DATE":
                new = shift(value, owner.offset) if self._dates == "shift" else year(value)
            case "AGE":  # one over 89 is said to be that (164.514(b)(2)(i)(C))
                new = value if len(value) < 3 and value.isdecimal() and int(value) < 90 else "90+"
            case "EMAIL":  # domains and addresses that are kept for examples: RFC 2606, RFC 5737, RFC 3849
                new = f"user{_draw(owner, kind, value) % 100_000:05d}@example.org"
            case "URL":
                new = f"https://example.org/{_draw(owner, kind, value) % 100_000:05d}"
            case "IP":
                number = _draw(owner, kind, value)
                new = f"192.0.2.{number % 254 + 1}" if ":" not in value else f"2001:db8::{number % 0xFFFF + 1:x}"
                new = new if new != value.lower() else "192.0.2.255" if ":" not in value else "2001:db8::"
            case "PHONE" | "FAX" | "SSN" | "PHOTO":  # words such as ext. and the x of hidden digits stay
                parts = names.LABEL.split(_to_ascii(value))
                new = "".join([part if place % 2 else _number(owner, kind, part) for place, part in enumerate(parts)])
            case _:
                new = self._code(owner, kind, value)
        return new

    def _name(self, owner: _Owner, word: str) -> str:
        if (known := owner.names.get(word)) is not None:
            return known
        plain = _plain(word)
        if word.lower() in names.NAME_KEPT or word in names.PARTICLES:
            return word
        if not plain.isalpha() or (len(plain) == 1 and plain.isascii()):
            return self._code(owner, "NAME", word)
        pool = names.FIRST_NAMES.get(plain) or ("mc" if plain.startswith("mc") and len(plain) > 4 else "surname")
        new = owner.names[word] = _like(word, self._pick(owner, "NAME", plain, pool))
        return new

    def _segment(self, owner: _Owner, text: str) -> str:
        """A part of an address. At its end a state stays, and of a ZIP code three digits (164.514(b)(2)(i)(B))."""
        words = _TOKEN.findall(text)
        plain = [word.lower() for word in words]
        end = len(words) - (plain[-1:] in (["us"], ["usa"]))
        tail = words[end:]
        if end and (code := _ZIP.fullmatch(words[end - 1])) and (end == 1 or plain[end - 2] not in names.NUMBERED):
            end -= 1
            tail.insert(0, ("000" if code[1] in names.SMALL_ZIPS else code[1]) + ("00-0000" if code[2] else "00"))
        stay = end if " ".join(plain[:end]) in names.STATES else int(end > 0 and words[end - 1] in names.POSTAL)
        kept = names.LOCATION_KEPT | {"p", "o"} if "box" in plain else names.LOCATION_KEPT
        new = self._places(owner, "LOCATION", words[: end - stay], kept)
        return _rewritten(text, [*new, *words[end - stay : end], *tail])

    def _places(self, owner: _Owner, kind: str, words: list[str], kept: frozenset[str]) -> list[str]:
        """The words, all but generic ones replaced; where all are generic ("General Hospital"), the first is."""
        plain = [word.lower() for word in words]
        first = -1
        if kept.issuperset(plain):
            first = next((place for place, word in enumerate(plain) if word not in names.JOINING), -1)
        return [
            word if small in kept and place != first else self._place(owner, kind, word)
            for place, (word, small) in enumerate(zip(words, plain, strict=True))
        ]

    def _place(self, owner: _Owner, kind: str, word: str) -> str:
        plain = _plain(word)
        if ordinal := _ORDINAL.fullmatch(word):
            number = self._place(owner, kind, ordinal[1])
            return number + _like(word, names.ORDINALS[int(number[-2:])])
        if not plain.isalpha() or _ACRONYM.fullmatch(plain):
            new = self._code(owner, kind, word)
            return new if new[:1] != "0" or word[0] == "0" else ("2" if word[0] == "1" else "1") + new[1:]
        return _like(word, self._pick(owner, kind, plain, "place"))

    def _pick(self, owner: _Owner, kind: str, word: str, pool: str) -> str:
        """Another word than `word`: from a table, or invented where the corpus holds most of that."""
        digest = owner.keyed.digest(kind, word)
        for place in range(0, 32, 4):
            table = names.POOLS[pool] if place < 24 else names.INVENTED
            name = table[int.from_bytes(digest[place : place + 4], "big") % len(table)]
            if name not in self._taken and name != word:
                return name
        size = 24
        while name == word or name in self._taken:
            digest, size = hashlib.sha256(digest).digest(), size + 1
            name = "".join([names.SYLLABLES[byte] for byte in digest[: size // 8]])
        return name

    def _code(self, owner: _Owner, kind: str, value: str) -> str:
        """Another code of the same form."""
        turn = 0
        while not self._taken.isdisjoint(_TELLING.findall((new := _scrambled(owner, kind, value, turn)).lower())):
            turn += 1
        return new


def _number(owner: _Owner, kind: str, value: str) -> str:
    """Another number, nobody's if it is whole: a telephone with 555-01, an SSN of area 000, or 9xx with a group of no ITIN."""
    old = [c for c in value if c in digits]
    skip = value.index("1") + 1 if len(old) == 11 and old[0] == "1" and kind != "SSN" else 0
    head, value, old = value[:skip], value[skip:], old[skip > 0 :]
    new = _scrambled(owner, kind, value)
    number = [c for c in new if c in digits]
    if kind == "SSN" and len(old) == 9:
        number[:4] = [*("000" if old[0] == "9" else ("9", *number[1:3])), str(int(number[3]) % 5)]
    elif kind in ("PHONE", "FAX") and len(old) in (7, 10) and "+" not in value:
        if len(old) == 10 and number[0] in "01":
            number[0] = "7" if old[0] in "89" else "89"[int(number[0])]
        number[-7:-2] = "55501"
    rest = iter(number)
    return head + "".join([next(rest) if c in digits else c for c in new])


def _scrambled(owner: _Owner, kind: str, value: str, turn: int = 0) -> str:
    """Each letter and digit as another one; the marks between them make no difference and stay."""
    value = _to_ascii(value)
    bare = "".join(filter(str.isalnum, value)).lower()
    digest = owner.keyed.digest(kind, f"{bare}\0{turn}" if turn else bare)
    stream = iter(digest if len(bare) <= len(digest) else hashlib.shake_256(digest).digest(len(bare)))
    return "".join([names.OTHER[c][next(stream)] if c in names.OTHER else c for c in value])


def _draw(owner: _Owner, kind: str, value: str) -> int:
    return int.from_bytes(owner.keyed.digest(kind, value.lower())[:8], "big")


def _plain(word: str) -> str:
    """The word in small letters, without diacritics."""
    if word.isascii():
        return word.lower()
    return "".join(filter(str.isalnum, unicodedata.normalize("NFKD", word.casefold()))).translate(names.UNDRESSED)


def _to_ascii(value: str) -> str:
    """The value with a letter or digit of ours in place of each that is not, and marks that belong to letters left out."""
    if value.isascii():
        return value
    marks = [c for c in unicodedata.normalize("NFKD", value) if c.isascii() or unicodedata.category(c)[0] != "M"]
    return "".join([c if c.isascii() else "0" if c.isdecimal() else "a" if c.isalnum() else c for c in marks])


def _like(word: str, new: str) -> str:
    """The new word in the case of the old one."""
    if word.isupper():
        return new.upper()
    if not word[:1].isupper():
        return new
    return f"Mc{new[2:].capitalize()}" if new[:2] == "mc" and not word[1:].islower() else new.capitalize()


def _rewritten(text: str, new: list[str]) -> str:
    """The text with other words in place of its own."""
    words = iter(new)
    return _TOKEN.sub(lambda _: next(words), text)
