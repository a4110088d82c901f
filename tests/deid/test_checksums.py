"""Numbers that say of themselves what they are: in notes, without a word beside them."""

import pytest

from dxtune.deid import Deidentifier
from dxtune.deid.checksums import kind_of

ENGINE = Deidentifier(b"a key for the tests")
NUMBERS = {
    "1234567893": "LICENSE",
    "1M8GDM9AXKP042788": "VEHICLE",
    "1EG4-TE5-MK73": "HEALTH_PLAN",
    "5555555555554444": "ACCOUNT",
}


@pytest.mark.parametrize(("number", "kind"), NUMBERS.items())
def test_a_number_with_a_check_digit_is_known_for_what_it_is(number: str, kind: str) -> None:
    assert kind_of(number) == kind
    assert ENGINE.deidentify([f"noted {number} and"]) == [f"noted [{kind}] and"]


def test_all_of_them_in_one_sentence() -> None:
    assert ENGINE.deidentify(["noted " + " and ".join(NUMBERS)]) == [
        "noted " + " and ".join(f"[{kind}]" for kind in NUMBERS.values())
    ]


@pytest.mark.parametrize("number", ["1234567894", "1M8GDM9A1KP042788", "5555555555554445", "2234567890"])
def test_a_wrong_check_digit_is_masked_all_the_same(number: str) -> None:
    assert kind_of(number) is None
    assert number not in ENGINE.deidentify([f"noted {number} and"])[0]


@pytest.mark.parametrize("text", ["WBC 1234567893 noted", "Na 9876543210, K 4.1", "took 1234567893 and 5 mg"])
def test_no_unit_or_test_explains_a_long_number(text: str) -> None:
    assert not any(len(word) > 6 and word.isdecimal() for word in ENGINE.deidentify([text])[0].replace(",", " ").split())


def test_levels_and_stages_are_no_numbers_of_anybody() -> None:
    text = "L4-L5-S1 fusion, C5-C6-C7 stenosis, T2-N1-M0."
    assert ENGINE.deidentify([text]) == [text]
