"""Looks at notes until nothing more is found in them: the way from texts to spans.

looks.py reads, marking.py decides, findings.py makes spans of it.
"""

from collections.abc import Sequence

import numpy as np

from dxtune.deid.carried import Names
from dxtune.deid.findings import NOTHING, Findings, doubtful, findings, runs, together
from dxtune.deid.looks import NUMBER, look, look_again, notes_of
from dxtune.deid.marking import RULES, Marked, mark, rows_to_score
from dxtune.deid.tokens import Ints

__all__ = ["NOTHING", "RULES", "Findings", "Marked", "doubtful", "find", "together"]

MOST_LOOKS = 12
"""After so many looks a note is no clinical text."""


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
        seen = look_again(latest.look, runs(latest), latest.kind, np.flatnonzero(open_))
        latest = mark(seen, patients, known=known, shared=shared)
        if len(found) >= MOST_LOOKS:
            _mask_asked(latest)
        found.append(findings(latest))
    return together(found), marked


def _mask_asked(marked: Marked) -> None:
    """Marks every word that the scorer is asked about, in the notes in which anything is marked."""
    note = notes_of(marked.look.tokens)
    restless = np.zeros(len(marked.look.tokens.first) + 1, bool)
    restless[note[marked.kind > 0]] = True
    rows = rows_to_score(marked.look)
    rows = rows[(marked.kind[rows] == 0) & restless[note[rows]]]
    marked.kind[rows], marked.rule[rows] = NUMBER["NAME"], RULES.index("beside")
