"""What a number says of itself: identifiers with a check digit or a fixed form, told apart without a word beside them.

Whatever these say, the number is masked: they only name its kind.
"""

import re
from collections.abc import Callable

_VIN = dict(zip("ABCDEFGHJKLMNPRSTUVWXYZ", map(int, "12345678123457923456789"), strict=True))
_VIN |= {str(digit): digit for digit in range(10)}
_WEIGHTS = (8, 7, 6, 5, 4, 3, 2, 10, 0, 9, 8, 7, 6, 5, 4, 3, 2)
_LETTER = "AC-HJKMNP-RT-Y"  # all but B, I, L, O, S and Z
_MBI = re.compile(rf"[1-9][{_LETTER}][{_LETTER}\d]\d[{_LETTER}][{_LETTER}\d]\d[{_LETTER}]{{2}}\d\d", re.ASCII)
SHORTEST, LONGEST = 10, 23
"""Characters of such a number, with the marks inside."""


def luhn(number: str) -> bool:
    """Whether the last digit of a number is its check digit (ISO/IEC 7812-1, annex B).

    >>> luhn("4111111111111111"), luhn("4111111111111112")
    (True, False)
    """
    doubled = [sum(divmod(int(digit) * 2, 10)) if place % 2 else int(digit) for place, digit in enumerate(reversed(number))]
    return sum(doubled) % 10 == 0


def is_npi(value: str) -> bool:
    """Whether it is a National Provider Identifier: ten digits, the first 1, Luhn after the prefix 80840 (45 CFR 162.406).

    >>> is_npi("1234567893"), is_npi("1234567890")
    (True, False)
    """
    return len(value) == 10 and value.isdecimal() and value[0] == "1" and luhn("80840" + value)


def is_card(value: str) -> bool:
    """Whether it is the number of a payment card: 13 to 19 digits, the first 3 to 6, Luhn.

    >>> is_card("5555555555554444"), is_card("5555555555554440")
    (True, False)
    """
    return 13 <= len(value) <= 19 and value.isdecimal() and value[0] in "3456" and luhn(value)


def is_vin(value: str) -> bool:
    """Whether it is a Vehicle Identification Number: 17 characters without I, O and Q, the ninth the check (49 CFR 565.15).

    >>> is_vin("1M8GDM9AXKP042788"), is_vin("1M8GDM9A1KP042788")
    (True, False)
    """
    if len(value) != 17 or not _VIN.keys() >= set(value):
        return False
    return "0123456789X"[sum(_VIN[c] * weight for c, weight in zip(value, _WEIGHTS, strict=True)) % 11] == value[8]


def is_mbi(value: str) -> bool:
    """Whether it has the form of a Medicare Beneficiary Identifier: 11 characters, each place with its alphabet (CMS, 2017).

    >>> is_mbi("1EG4TE5MK73"), is_mbi("1EG4TE5MK7X")
    (True, False)
    """
    return _MBI.fullmatch(value) is not None


KINDS: dict[str, Callable[[str], bool]] = {"LICENSE": is_npi, "VEHICLE": is_vin, "HEALTH_PLAN": is_mbi, "ACCOUNT": is_card}


def kind_of(value: str) -> str | None:
    """The kind of identifier that a number is by its own form; spaces and hyphens inside make no difference.

    >>> kind_of("1EG4-TE5-MK73"), kind_of("4111 1111 1111 1111"), kind_of("0123456789")
    ('HEALTH_PLAN', 'ACCOUNT', None)
    """
    bare = value.replace("-", "").replace(" ", "").upper()
    return next((kind for kind, fits in KINDS.items() if bare.isascii() and fits(bare)), None)
