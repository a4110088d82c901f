"""A lineage in the W3C's provenance model, as PROV-JSON (https://www.w3.org/submissions/prov-json/).

Files are entities, runs of stages are activities, dxtune is the agent. No times: two builds of a commit have the same lineage.
"""

import json
from typing import Any

from dxtune.lineage.trace import File, Lineage, Step

NAMESPACE = "urn:dxtune:"
AGENT = "dxtune:dxtune"


def as_prov(lineage: Lineage) -> str:
    """The PROV-JSON document."""
    files = {file for step in lineage.steps for file in (*step.read, *step.wrote)}
    document: dict[str, Any] = {
        "prefix": {"dxtune": NAMESPACE},
        "entity": {_entity(file): {"prov:label": file.path, "dxtune:md5": file.md5} for file in _sorted(files)},
        "activity": {_activity(step): _about(step) for step in lineage.steps},
        "agent": {AGENT: {"prov:type": {"$": "prov:SoftwareAgent", "type": "xsd:QName"}}},
    }
    document["entity"][_entity(lineage.output)] |= {f"dxtune:{key}": value for key, value in _target(lineage).items()}
    steps = lineage.steps
    relations = {
        "used": [(_activity(step), _entity(file)) for step in steps for file in step.read],
        "wasGeneratedBy": [(_entity(file), _activity(step)) for step in steps for file in step.wrote],
        "wasDerivedFrom": [(_entity(made), _entity(of)) for step in steps for made in step.wrote for of in step.read],
        "wasAssociatedWith": [(_activity(step), AGENT) for step in steps],
    }
    for name, pairs in relations.items():
        document[name] = {
            f"_:{name}{number}": dict(zip(ROLES[name], pair, strict=True)) for number, pair in enumerate(pairs, 1)
        }
    return json.dumps(document, indent=2, ensure_ascii=False)


ROLES = {
    "used": ("prov:activity", "prov:entity"),
    "wasGeneratedBy": ("prov:entity", "prov:activity"),
    "wasDerivedFrom": ("prov:generatedEntity", "prov:usedEntity"),
    "wasAssociatedWith": ("prov:activity", "prov:agent"),
}
"""What stands at both ends of a relation."""


def _entity(file: File) -> str:
    return f"dxtune:{file.md5}/{file.path}"


def _activity(step: Step) -> str:
    return f"dxtune:stage/{step.stage}"


def _sorted(files: set[File]) -> list[File]:
    return sorted(files, key=lambda file: (file.path, file.md5))


def _target(lineage: Lineage) -> dict[str, Any]:
    """What is known of the target alone."""
    known = {"target": lineage.target, "value": lineage.value, "commit": lineage.commit}
    known |= {name.lower().replace(" ", "_"): value for name, value in lineage.origin}
    return {key: value for key, value in known.items() if value is not None}


def _about(step: Step) -> dict[str, Any]:
    """Attributes of a run. Settings that are no single value stand there as JSON."""
    described: dict[str, Any] = {"prov:label": step.cmd}
    for key, value in {**step.settings, **step.fingerprints, **step.packages}.items():
        single = isinstance(value, str | int | float)
        described[f"dxtune:{key}"] = value if single else json.dumps(value, ensure_ascii=False)
    return described
