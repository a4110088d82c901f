"""Surrogates: made-up values that stand for identifiers, the same for the same value within a patient, of the same form.

Chosen by HMAC-SHA256 of (patient, type, value) under the key, so that without the key nothing can be traced back, and with
it every
run gives the same. Source of the idea: Carrell et al., Hiding in Plain Sight (JAMIA 2013).
"""

import hashlib
import hmac
import re
import unicodedata
from collections.abc import Collection, Iterator, Sequence
from datetime import date, timedelta
from typing import Literal

from dxtune.deid import surrogate_names as words
from dxtune.deid.spans import Span
from dxtune.deid.tokens import hash_words

# 45 CFR 164.514(b)(2)(i)(B): three digits of a ZIP code where at most 20,000 people live; the union of the lists in use.
RESTRICTED_ZIP = frozenset("036 059 063 102 203 205 369 556 692 790 821 823 830 831 878 879 884 890 893".split())  # noqa: SIM905
_MONTHS = "january february march april may june july august september october november december".split()  # noqa: SIM905
_WORD = re.compile(r"[^\W\d_]+")
_CHARACTER = re.compile(r"[^\W_]")
_YEAR = re.compile(r"(?<!\d)(?:19[4-9]\d|20\d\d)(?!\d)")
_ISO = re.compile(r"(?P<y>\d{4})(?P<a>[-/.]?)(?P<m>\d{1,2})(?P=a)(?P<d>\d{1,2})(?!\d)")
_NUMERIC = re.compile(r"(?<!\d)(?P<x>\d{1,2})(?P<a>\s?[-/.]\s?)(?P<z>\d{1,2})(?:(?P=a)(?P<y>\d{4}|\d\d))?(?!\d)")
_NAMED = re.compile(
    r"(?i)(?:(?P<d1>\d{1,2})(?P<s1>st|nd|rd|th)?(?P<g1>[\s-]*(?:of\s)?))?(?P<m>jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)(?P<r>[a-z]*\.?)"
    r"(?:(?P<g2>[\s-]*(?:the\s)?)(?P<d2>\d{1,2})(?!\d)(?P<s2>st|nd|rd|th)?)?(?:(?P<g3>,?\s?[\s/-]?\s?(?:of\s)?)(?P<y>(?:19|20)\d\d))?"
)
_SPREAD_WEEKS = 52
_CACHED = 100_000
_LETTERS = "abcdefghijklmnopqrstuvwxyz"


class Surrogates:
    """Replaces the identifiers of notes by made-up values.

    dates: `year` leaves the year alone (Safe Harbor, 164.514(b)(2)(i)(C)); `shift` moves a date by whole weeks, one offset a
    patient, so
    that intervals and weekdays stay (Expert Determination, 164.514(b)(1)). taken: hashes (tokens.hash_words) of the words
    that occur in
    identifiers of the corpus: no name that is made up is one of them.
    """

    def __init__(self, key: bytes, dates: Literal["year", "shift"] = "year", taken: Collection[int] = frozenset()) -> None:
        self._key, self.dates = key, dates
        self._known: dict[tuple[str, str, str], str] = {}
        self._tables = {
            name: _without(sorted(table), taken)
            for name, table in (
                ("female", words.FEMALE), ("male", words.MALE), ("either", words.EITHER), ("surname", words.SURNAMES), ("place", words.PLACES),  # noqa: E501
            )
        }  # fmt: skip

    def replace(self, text: str, spans: Sequence[Span], patient: str) -> str:
        """The text with a surrogate in place of each span; all else as it was."""
        parts, done = [], 0
        for start, end, kind in spans:
            value = text[start:end]
            if (made := self._known.get((patient, kind, value))) is None:
                made = self._make(patient, kind, value)
                if len(self._known) >= _CACHED:
                    self._known.clear()
                self._known[patient, kind, value] = made
            parts += [text[done:start], made]
            done = end
        return "".join([*parts, text[done:]])

    def _make(self, patient: str, kind: str, value: str) -> str:
        if kind == "NAME":
            return self._names(patient, value)
        if kind in ("LOCATION", "FACILITY"):
            return self._place(patient, kind, value)
        if kind == "DATE":
            return self._date(patient, value)
        if kind == "AGE":
            return "90+"
        special = {
            "EMAIL": self._email,
            "URL": self._url,
            "IP": self._ip,
            "SSN": self._ssn,
            "PHONE": self._phone,
            "FAX": self._phone,
        }
        return special.get(kind, self._code)(patient, value)

    # ---- words ----

    def _names(self, patient: str, value: str) -> str:
        return _WORD.sub(lambda match: self._name(patient, match[0]), value)

    def _name(self, patient: str, word: str) -> str:
        low = _fold(word)
        if low in words.NAME_KEPT or low in words.PARTICLES:
            return word
        if len(word) == 1:
            return _cased(self._letter(self._number(patient, "INITIAL", low), _LETTERS), word)
        table = (
            "female" if low in words.FEMALE else "male" if low in words.MALE else "either" if low in words.EITHER else "surname"
        )
        return _cased(self._word(patient, table, low), word)

    def _word(self, patient: str, table: str, low: str) -> str:
        options = self._tables[table]
        place = self._number(patient, table, low) % len(options)
        return options[place] if options[place] != low else options[(place + 1) % len(options)]

    def _place(self, patient: str, kind: str, value: str) -> str:
        kept = words.LOCATION_KEPT if kind == "LOCATION" else words.FACILITY_KEPT
        if kind == "LOCATION" and (zip_code := re.fullmatch(r"(\d{3})\d\d(?:-\d{4})?", value)):
            return ("000" if zip_code[1] in RESTRICTED_ZIP else zip_code[1]) + "00"

        def one(match: re.Match[str]) -> str:
            low = _fold(match[0])
            if low in kept or len(low) == 1:
                return match[0]
            return _cased(self._word(patient, "place" if kind == "LOCATION" else "surname", low), match[0])

        return self._digits(patient, kind, _WORD.sub(one, value))

    # ---- codes ----

    def _code(self, patient: str, value: str) -> str:
        stem, dot, ending = value.rpartition(".")
        if dot and ending.lower() in ("jpg", "jpeg", "png", "gif", "tif", "tiff", "heic", "bmp", "dcm"):
            return self._scramble(patient, stem) + dot + ending
        return self._scramble(patient, value)

    def _scramble(self, patient: str, value: str) -> str:
        """Each letter another letter, each digit another digit: the form stays."""
        stream = self._stream(patient, "CODE", value)

        def one(match: re.Match[str]) -> str:
            mark, step = match[0], next(stream)
            if mark.isdecimal():
                return str((int(mark) + 1 + step % 9) % 10)
            low = _fold(mark)[:1]
            place = _LETTERS.find(low)
            return _cased(_LETTERS[(max(place, 0) + 1 + step % 25) % 26], mark)

        return _CHARACTER.sub(one, value)

    def _digits(self, patient: str, kind: str, value: str) -> str:
        stream = self._stream(patient, kind, value)
        return re.sub(r"\d", lambda match: str((int(match[0]) + 1 + next(stream) % 9) % 10), value)

    def _phone(self, patient: str, value: str) -> str:
        """Ten digits become an area code and 555-01xx, which nobody has; other lengths are scrambled."""
        digits = re.findall(r"\d", value)
        if len(digits) < 10:
            return self._scramble(patient, value)
        stream = self._stream(patient, "PHONE", "".join(digits))
        made = [
            str(2 + next(stream) % 8),
            *(str(next(stream) % 10) for _ in range(2)),
            *"55501",
            *(str(next(stream) % 10) for _ in range(2)),
        ]
        fill = iter(
            [*digits[: len(digits) - 10], *made]
            if len(digits) <= 13
            else [*made, *(str(next(stream) % 10) for _ in digits[10:])]
        )
        return re.sub(r"\d", lambda _: next(fill), value)

    def _ssn(self, patient: str, value: str) -> str:
        """A number of the areas 900 to 999, which are never issued."""
        made = self._scramble(patient, value)
        return "9" + made[1:] if re.match(r"\d{3}", made) else made

    def _email(self, patient: str, value: str) -> str:
        return f"user{self._number(patient, 'EMAIL', value.lower()) % 100000:05}@example.org"

    def _url(self, patient: str, value: str) -> str:
        return f"https://example.org/{self._number(patient, 'URL', value.lower()) % 100000:05}"

    def _ip(self, patient: str, value: str) -> str:
        number = self._number(patient, "IP", value.lower())
        return f"2001:db8::{number % 65536:x}" if ":" in value and "." not in value else f"192.0.2.{number % 254 + 1}"

    # ---- dates ----

    def _date(self, patient: str, value: str) -> str:
        if self.dates == "year":
            year = _YEAR.search(value)
            return year[0] if year else "[DATE]"
        weeks = self._number(patient, "OFFSET", "") % (2 * _SPREAD_WEEKS) - _SPREAD_WEEKS
        return shift(value, timedelta(weeks=weeks if weeks < 0 else weeks + 1))

    # ---- the keyed choice ----

    def _bytes(self, patient: str, kind: str, value: str) -> bytes:
        message = f"{patient}\0{kind}\0{value}".encode("utf-8", "surrogatepass")
        return hmac.digest(self._key, message, "sha256")

    def _number(self, patient: str, kind: str, value: str) -> int:
        return int.from_bytes(self._bytes(patient, kind, value)[:8], "big")

    def _stream(self, patient: str, kind: str, value: str) -> Iterator[int]:
        block = self._bytes(patient, kind, _fold(value))

        def endless() -> Iterator[int]:
            step = block
            while True:
                yield from step
                step = hashlib.sha256(step).digest()

        return endless()

    @staticmethod
    def _letter(number: int, letters: str) -> str:
        return letters[number % len(letters)]


def shift(value: str, by: timedelta) -> str:
    """A date in the same form, moved; [DATE] where its form is not known. Month before day, unless the first number is above
    12.

    >>> shift("03/04/2019", timedelta(weeks=1)), shift("Mar 4", timedelta(weeks=-1)), shift("2019-12-30", timedelta(weeks=1))
    ('03/11/2019', 'Feb 25', '2020-01-06')
    """
    for pattern, moved in ((_ISO, _shift_iso), (_NAMED, _shift_named), (_NUMERIC, _shift_numeric)):
        if (match := pattern.search(value)) and (made := moved(match, by)) is not None:
            return value[: match.start()] + made + value[match.end() :]
    return "[DATE]"


def _day(year: int, month: int, day: int, by: timedelta) -> date | None:
    try:
        return date(year, month, day) + by
    except (ValueError, OverflowError):
        return None


def _shift_iso(match: re.Match[str], by: timedelta) -> str | None:
    moved = _day(int(match["y"]), int(match["m"]), int(match["d"]), by)
    mark = match["a"]
    return f"{moved.year:04}{mark}{moved.month:0{len(match['m'])}}{mark}{moved.day:0{len(match['d'])}}" if moved else None


def _shift_numeric(match: re.Match[str], by: timedelta) -> str | None:
    first, second, year = int(match["x"]), int(match["z"]), match["y"]
    month, day = (first, second) if first <= 12 else (second, first)
    whole = (
        int(year)
        if year and len(year) == 4
        else 2000 + int(year)
        if year and int(year) < 50
        else 1900 + int(year)
        if year
        else 2001
    )
    moved = _day(whole, month, day, by)
    if moved is None:
        return None
    left, right = (moved.month, moved.day) if first <= 12 else (moved.day, moved.month)
    text = f"{left:0{len(match['x'])}}{match['a']}{right:0{len(match['z'])}}"
    return text + (f"{match['a']}{moved.year if len(year) == 4 else moved.year % 100:0{len(year)}}" if year else "")


def _shift_named(match: re.Match[str], by: timedelta) -> str | None:
    day = match["d1"] or match["d2"]
    month = [name[:3] for name in _MONTHS].index(match["m"].lower()) + 1
    moved = _day(int(match["y"] or 2001), month, int(day or 15), by)
    if moved is None:
        return None
    name = _MONTHS[moved.month - 1]
    written = match["m"] + match["r"]
    name = (
        name
        if len(written.rstrip(".")) > 3 and not written.lower().startswith("sept.")
        else name[:3] + ("." if written.endswith(".") else "")
    )
    ordinal = "th" if 10 < moved.day < 20 else {1: "st", 2: "nd", 3: "rd"}.get(moved.day % 10, "th")
    before = f"{moved.day:0{_width(match['d1'])}}{ordinal if match['s1'] else ''}{match['g1']}" if match["d1"] else ""
    after = (
        f"{match['g2']}{moved.day:0{_width(match['d2'])}}{ordinal if match['s2'] else ''}"
        if match["d2"] and not match["d1"]
        else ""
    )
    return before + _cased(name, written) + after + (f"{match['g3']}{moved.year}" if match["y"] else "")


def _without(table: list[str], taken: Collection[int]) -> list[str]:
    """The words of a table that are not taken; all of them where nothing would be left."""
    return [word for word, number in zip(table, hash_words(table).tolist(), strict=True) if number not in taken] or table


def _width(day: str) -> int:
    return 2 if day.startswith("0") else 1


def _fold(word: str) -> str:
    return unicodedata.normalize("NFKD", word.casefold()).encode("ascii", "ignore").decode("ascii") or word.casefold()


def _cased(word: str, like: str) -> str:
    """A word in the case of another: upper, lower, or title."""
    if like.isupper() and (len(like) > 1 or len(word) == 1):
        return word.upper()
    return word if like.islower() else word.capitalize()
