"""Whether a model may be released: each gate of params.yaml against what was measured, with the reason where it fails."""

import math
from collections.abc import Mapping

GATED = ("test", "decision")
"""Parts of the figures in which a gate finds its name."""
Z = 1.959964


def decide(
    gates: Mapping[str, float], figures: Mapping[str, object], deidentification: Mapping[str, object], canaries: int = 0
) -> dict[str, object]:
    """`released`, 1 or 0; for each gate its `limit`, what was `found`, and whether it `passed`; where it did not, the `reason`.

    A gate's name is that of the end of an interval: NAME_low must be at least the limit, NAME_high at most. What was not
    measured does not pass. figures: content of metrics/evaluate.json; deidentification: of metrics/deidentify.json. canaries:
    that the model learned (train.canaries); one with any is for an audit, and has a gate more, which it never passes.
    """
    measured: dict[str, object] = {}
    for part in (*(figures.get(name) for name in GATED), recall_bound(deidentification)):
        measured |= part if isinstance(part, dict) else {}
    judged: dict[str, object] = {}
    passed = 0
    for name, limit in gates.items():
        found = measured.get(name)
        if not isinstance(found, int | float):
            judged[name] = {"limit": limit, "passed": 0, "reason": f"{name} was not measured"}
            continue
        fine = found >= limit if name.endswith("_low") else found <= limit
        judged[name] = {"limit": limit, "found": found, "passed": int(fine)}
        passed += fine
        if not fine:
            wanted = f"{'at least' if name.endswith('_low') else 'at most'} {limit:g}"
            judged[name] |= {"reason": f"{name} is {found:.3f}, wanted is {wanted}"}  # type: ignore[operator]
    if canaries:
        reason = f"the model learned {canaries} made-up secrets (train.canaries): it is for an audit"
        judged["canaries"] = {"limit": 0, "found": canaries, "passed": 0, "reason": reason}
    return {"released": int(passed == len(judged)), "gates": judged}


def recall_bound(deidentification: Mapping[str, object]) -> dict[str, float]:
    """`deid_full_recall_low`: the lower end of Wilson's 95 % interval of the share of gold spans that were fully masked.

    Empty where the notes have no gold spans. Source: Wilson 1927 (doi:10.1080/01621459.1927.10502953). Spans are taken to be
    independent, which those of one note are not quite.

    >>> recall_bound({"full_recall": 0.5, "gold_spans": 100})
    {'deid_full_recall_low': 0.403832}
    """
    share, spans = deidentification.get("full_recall"), deidentification.get("gold_spans")
    if not isinstance(share, int | float) or not isinstance(spans, int) or not spans:
        return {}
    middle = share + Z * Z / (2 * spans)
    half = Z * math.sqrt(share * (1 - share) / spans + Z * Z / (4 * spans * spans))
    return {"deid_full_recall_low": round((middle - half) / (1 + Z * Z / spans), 6)}
