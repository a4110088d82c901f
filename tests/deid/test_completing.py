"""What belongs to a name, a street, a facility or a code that is found in part."""

import pytest

from dxtune.deid import Deidentifier

ENGINE = Deidentifier(b"a key for the tests")
WHOLE = [
    # names: hyphens, particles, suffixes, logins
    ("Mr. Young-ho Tverdal came.", "Mr. [NAME] came."),
    ("She called Dr. Smith-Okafor again.", "She called Dr. [NAME] again."),
    ("Dr. Okafor-assisted delivery went well.", "Dr. [NAME]-assisted delivery went well."),
    ("Mrs. Anneke van der Plas called.", "Mrs. [NAME] called."),
    ("Patient: Harold Vintner, Jr.", "Patient: [NAME], [NAME]."),
    ("Mr. Otto Brandvold III was seen.", "Mr. [NAME] was seen."),
    ("typed by maria.quist on the ward", "typed by [NAME] on the ward"),
    ("The ratio was fair.good in both.", "The ratio was fair.good in both."),
    # facilities, to their ends
    ("Stays at Second Chance House for now.", "Stays at [FACILITY] for now."),
    ("Lives at Cedar Bend Nursing Home with her son.", "Lives at [FACILITY] with her son."),
    ("Sent to Oakmere School for the Deaf.", "Sent to [FACILITY]."),
    ("Admitted to St. Hilda's Day Unit.", "Admitted to [FACILITY]."),
    ("Works for Vintner & Sons as a clerk.", "Works for [FACILITY] as a clerk."),
    ("works for kessler & sons as a clerk", "works for [FACILITY] as a clerk"),
    ("The medical unit and the pain clinic agree.", "The medical unit and the pain clinic agree."),
    ("Name: Anna Quist Unit No: 1001401", "Name: [NAME] Unit No: [MRN]"),
    # employers, by what is said of them
    ("Works for Mid-Valley Freight in Wexcombe.", "Works for [FACILITY] in [LOCATION]."),
    ("He was employed by the Golden Harvest Bakery then.", "He was employed by the [FACILITY] then."),
    ("The cream works for Eczema.", "The cream works for Eczema."),
    ("Worked at home with two dogs.", "Worked at home with two dogs."),
    # codes
    ("Lab no. AB-4417-x_29.", "Lab no. [ID]."),
    # places of several words
    ("Moved here from Stoke-on-Tarn last year.", "Moved here from [LOCATION] last year."),
    ("83876 Lucy Way is his home.", "[LOCATION] is his home."),
    ("lives at 12 oak st, several falls at home", "lives at [LOCATION], several falls at home"),
    ("seen at oakmere clinic in low spirits. no falls.", "seen at [FACILITY] in low spirits. no falls."),
]  # fmt: skip
GONE = [
    ("Lives at 512 N. Tamblyn Way, unit #7 now.", "512 N. Tamblyn Way unit #7"),
    ("She lives at 88 West Quarry Road, flat 4b.", "88 West Quarry Road flat 4b"),
    ("Lives at 512 North Tamblyn Way, Apt. 7B, for years.", "512 North Tamblyn Way 7B"),
    ("Home: 5 W. Maple", "5 W. Maple"),
    ("Home address on file: 732 Sycamore Place, Wexcombe.", "732 Sycamore Place Wexcombe"),
    ("home address on file: 4353 mill pond road, wexcombe", "4353 mill pond road wexcombe"),
    ("lives at 6945 martin luther king blvd in salem", "6945 martin luther king blvd salem"),
    ("lives at 12 oak st in silver creek, mi 49093.", "12 oak st silver creek 49093"),
    ("home address on file: 91 old fort lane, birch hills.\nslept", "91 old fort lane birch hills"),
    ("lives in port ellery with her son", "port ellery"),
    ("Seen by Dr. Abd-al-Karim Haddad today.", "Abd-al-Karim Haddad"),
    ("Transferred from Lutheran Home of the Plains.", "Lutheran Home Plains"),
    ("Comes from Brook County Hospital of Wexcombe.", "Brook County Hospital of Wexcombe"),
]


@pytest.mark.parametrize("case", range(len(WHOLE)))
def test_it_is_one_piece(case: int) -> None:
    text, clean = WHOLE[case]
    assert ENGINE.deidentify([text]) == [clean]


@pytest.mark.parametrize("case", range(len(GONE)))
def test_nothing_of_it_is_left(case: int) -> None:
    text, gone = GONE[case]
    left = set(ENGINE.deidentify([text])[0].replace(",", " ").replace(".", " ").split())
    assert not left & set(gone.replace(".", " ").split())
