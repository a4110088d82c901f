"""Where a model came from, saved with it: base model, data, settings, labels. No torch here."""

import hashlib
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from dxtune.code import versions
from dxtune.errors import ModelError
from dxtune.params import Params
from dxtune.training.base_model import weights_sha256

PACKAGES = ("dxtune", "numpy", "safetensors", "tokenizers", "torch", "transformers")
"""What reads the tokens and makes the weights."""
TOLD = ("base_model", "base_model_revision", "base_model_sha256", "data_sha256", "labels_sha256", "versions")
"""What metrics/train.json says of it, too."""


def provenance(params: Params, base: Path, tokens: Path, labels: list[str]) -> dict[str, Any]:
    """What dxtune.json says of the making of a model: enough to make it again, and to see that it fits what it is used with.

    base: the base model's folder; tokens: data/tokens, of which training sees train and validation.
    """
    used = sorted(path for split in ("train", "validation") for path in (tokens / split).rglob("*") if path.is_file())
    sections = {name: getattr(params, name).model_dump(mode="json") for name in ("model", "tokenize", "train")}
    return {
        "base_model": params.model.name,
        "base_model_revision": params.model.revision,
        "base_model_sha256": weights_sha256(base),
        "data_sha256": digest(path.read_bytes() for path in used),
        "labels_sha256": labels_sha256(labels),
        "versions": versions(*PACKAGES),
        "params": {"task": params.task, **sections},
    }


def check_labels(folder: Path, labels: list[str], settings: dict[str, Any]) -> None:
    """Raises ModelError where a model's label map is not the one that it was trained with."""
    expected, found = settings.get("labels_sha256"), labels_sha256(labels)
    if expected != found:
        raise ModelError(
            f"{folder}: expected the label map that the model was trained with (sha256 {str(expected)[:12]}), found another in "
            f"labels.json ({found[:12]}): names or their order differ. Restore the folder: dvc checkout, or dvc repro train"
        )


def labels_sha256(labels: list[str]) -> str:
    """The SHA-256 of label names in id order."""
    return digest([json.dumps(labels, ensure_ascii=False).encode()])


def digest(parts: Iterable[bytes]) -> str:
    """The SHA-256 of some bytes, one part after the other, in hexadecimal."""
    total = hashlib.sha256()
    for part in parts:
        total.update(part)
    return total.hexdigest()
