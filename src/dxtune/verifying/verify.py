"""All checks of a project, and how they are told: a line a check, findings below it, or JSON."""

import json
from collections.abc import Callable, Mapping
from functools import partial

from dxtune.verifying.boundary import looks_like_phi, raw_stays, staged
from dxtune.verifying.locked import committed, fingerprint, outputs, up_to_date
from dxtune.verifying.outcome import Finding, Outcome
from dxtune.verifying.project import Project
from dxtune.verifying.remotes import remotes
from dxtune.verifying.results import base_model, finite, gates, packages
from dxtune.verifying.twice import twice

Outcomes = Mapping[str, Outcome]


def verify(require_gates: bool = False, again: bool = False) -> Outcomes:
    """The outcome of each check of the project in this folder, by name. again: also build it a second time."""
    checks: dict[str, Callable[[Project], Outcome]] = {
        "lock": up_to_date,
        "fingerprint": fingerprint,
        "in git": committed,
        "outputs": outputs,
        "gates": partial(gates, required=require_gates),
        "raw notes": raw_stays,
        "identifiers": looks_like_phi,
        "remotes": remotes,
        "base model": base_model,
        "numbers": finite,
        "packages": packages,
    }
    return _outcomes(checks | ({"twice": twice} if again else {}))


def verify_staged() -> Outcomes:
    """The outcome of the one check of what is about to be committed."""
    return _outcomes({"staged": staged})


def _outcomes(checks: Mapping[str, Callable[[Project], Outcome]]) -> Outcomes:
    from dvc.exceptions import DvcException

    project = Project()

    def outcome(check: Callable[[Project], Outcome]) -> Outcome:
        try:
            return check(project)
        except DvcException as error:
            return Outcome([Finding("dvc", "an answer", str(error), "see what dvc status says")])

    return {name: outcome(check) for name, check in checks.items()}


def passed(outcomes: Outcomes) -> bool:
    """Whether no check failed."""
    return not any(outcome.findings for outcome in outcomes.values())


def as_text(outcomes: Outcomes) -> str:
    """A line a check, and each finding below."""
    lines = []
    for name, outcome in outcomes.items():
        said = f"{len(outcome.findings)} found" if outcome.findings else outcome.note
        lines.append(f"{outcome.status:<8} {name:<12} {said}".rstrip())
        lines += [f"         {finding}" for finding in outcome.findings]
    return "\n".join(lines)


def as_json(outcomes: Outcomes) -> str:
    """The same for a program: `passed`, and of each check its status, note and findings."""
    checks = {
        name: {
            "status": outcome.status.lower(),
            "note": outcome.note,
            "findings": [vars(finding) for finding in outcome.findings],
        }
        for name, outcome in outcomes.items()
    }
    return json.dumps({"passed": passed(outcomes), "checks": checks}, indent=2)
