"""The base model's folder: found by name, checked, and safe to load. No torch here."""

import hashlib
import importlib.util
import json
import re
from pathlib import Path
from typing import Any

from dxtune.errors import ModelError
from dxtune.params import Model
from dxtune.training.gguf import unpack

WEIGHTS = "model.safetensors"
INDEX = "model.safetensors.index.json"
VOCABULARIES = ("vocab.txt", "vocab.json", "spiece.model", "spm.model", "sentencepiece.bpe.model", "tokenizer.model")
CONVERT = (
    "convert them once, where no patient's data is (a container without network), and set model.name to the new folder: "
    "python -c \"from transformers import AutoModel, AutoTokenizer; n, r, f = 'NAME', 'COMMIT HASH', 'source/NAME'; "
    "AutoModel.from_pretrained(n, revision=r).save_pretrained(f); "
    'AutoTokenizer.from_pretrained(n, revision=r).save_pretrained(f)"'
)
DESCRIPTIONS = ("*.json", "*.txt", "*.model", "*.jinja")
"""What is read of a model's folder beside its weights."""


def find_base_model(model: Model) -> Path:
    """The folder with the base model's config, weights and tokenizer.

    `model.name` is `package:NAME` (a Python package that ships the files), a local folder, or a Hub id with a pinned
    `model.revision`. Raises ModelError where there is none, where the weights are not safetensors (or GGUF, data alone, too),
    where the model brings code of its own, or where the checksum is not `model.sha256`.
    """
    folder = local_folder(model.name) or _hub_folder(model)
    quantised = not (folder / "config.json").is_file()
    if quantised and not list(folder.glob("*.gguf")):
        raise ModelError(f"model.name = {model.name}: expected a config.json there, found none: name a model folder")
    _refuse_code(model.name, folder)
    weight_files(folder)
    if model.sha256 is not None and (found := weights_sha256(folder)) != model.sha256:
        raise ModelError(
            f"model.name = {model.name}: expected {WEIGHTS} with sha256 {model.sha256}, found {found}. "
            "If you meant to change the model, set model.sha256 to the new value (or null); if not, do not use these weights"
        )
    return unpack(weight_files(folder)[0], weights_sha256(folder)) if quantised else folder


def local_folder(name: str) -> Path | None:
    """The folder that a model's name stands for: of an installed package, or itself; None: it has to be a Hub id.

    Raises ModelError where the package is not installed, or has no model in it.
    """
    if name.startswith("package:"):
        return _package_folder(name.removeprefix("package:"))
    return folder if (folder := Path(name).expanduser()).is_dir() else None


def weight_files(folder: Path) -> list[Path]:
    """The files with a model's weights, in the order of their names: model.safetensors, or its parts, or one GGUF file.

    Raises ModelError where there are none: pickled weights are none.
    """
    if (folder / WEIGHTS).is_file():
        return [folder / WEIGHTS]
    if (folder / INDEX).is_file():
        parts = sorted(set(json.loads((folder / INDEX).read_text(encoding="utf-8"))["weight_map"].values()))
        if absent := [name for name in parts if Path(name).name != name or not (folder / name).is_file()]:
            raise ModelError(f"{folder}: {INDEX} names {', '.join(absent)}, not found there: fetch the model again")
        return [folder / name for name in parts]
    if len(quantised := sorted(folder.glob("*.gguf"))) == 1:
        return quantised
    others = sorted(path.name for pattern in ("*.bin", "*.pt", "*.pth", "*.ckpt", "*.h5") for path in folder.glob(pattern))
    raise ModelError(
        f"{folder}: expected {WEIGHTS}, found {others or 'no weights'}. Pickled weights (.bin, .pt) can run code and are "
        f"refused: {CONVERT}"
    )


def weights_sha256(folder: Path) -> str:
    """The SHA-256 of a model folder's weights, in hexadecimal; of several files, that of one after the other."""
    digest = hashlib.sha256()
    for path in weight_files(folder):
        with path.open("rb") as file:
            while block := file.read(2**22):
                digest.update(block)
    return digest.hexdigest()


def _refuse_code(name: str, folder: Path) -> None:
    for file in ("config.json", "tokenizer_config.json"):
        if (folder / file).is_file() and json.loads((folder / file).read_text(encoding="utf-8")).get("auto_map"):
            raise ModelError(
                f"model.name = {name}: {file} has auto_map, which runs Python code that came with the model: refused. Choose a "
                "model whose architecture is part of transformers; where this one's is (its model_type says so), copy the "
                "folder, remove auto_map from the copy, and name that"
            )


def read_config(folder: Path) -> dict[str, Any]:
    """The model's config.json."""
    config: dict[str, Any] = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    return config


def is_causal(folder: Path) -> bool:
    """Whether the model is a causal one, in which a token sees those before it alone, as its `architectures` say."""
    names = read_config(folder).get("architectures") or []
    return any(name.endswith("ForCausalLM") or name == "GPT2LMHeadModel" for name in names)


def load_tokenizer(folder: Path) -> Any:
    """The model's fast tokenizer (`tokenizers.Tokenizer`), without truncation and padding.

    From tokenizer.json where there is one; older models have a vocabulary only, which transformers converts.
    """
    from tokenizers import Tokenizer

    if (folder / "tokenizer.json").is_file():
        tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    elif any((folder / name).is_file() for name in VOCABULARIES):
        from transformers import AutoTokenizer

        try:
            tokenizer = AutoTokenizer.from_pretrained(folder, trust_remote_code=False).backend_tokenizer
        except (ImportError, ValueError) as error:
            raise ModelError(
                f"{folder}: expected tokenizer.json, and the vocabulary there could not be turned into one "
                f"({type(error).__name__}): pip install sentencepiece tiktoken, then save it once with "
                "AutoTokenizer.from_pretrained(folder).save_pretrained(folder)"
            ) from None
    else:
        raise ModelError(f"{folder.name}: expected tokenizer.json, {' or '.join(VOCABULARIES)}, found none of them")
    tokenizer.no_padding()
    tokenizer.no_truncation()
    return tokenizer


def pad_token_id(folder: Path) -> int:
    """The id that fills up a batch (masked, so its value only has to be in the vocabulary)."""
    return int(read_config(folder).get("pad_token_id") or 0)


def _package_folder(name: str) -> Path:
    spec = importlib.util.find_spec(name) if name.isidentifier() else None
    if spec is None or not spec.submodule_search_locations:
        raise ModelError(
            f"model.name = package:{name}: that package is not installed: run make setup, or pip install --no-deps it"
        )
    root = Path(next(iter(spec.submodule_search_locations)))
    found = [path for pattern in ("config.json", "*.gguf") for path in root.rglob(pattern)]
    if not found:
        raise ModelError(f"model.name = package:{name}: expected a config.json or a .gguf file in the package, found none")
    return min(found, key=lambda path: (path.suffix != ".json", len(path.parts), path)).parent


def _hub_folder(model: Model) -> Path:
    if not re.fullmatch(r"[\w.-]+/[\w.-]+|[\w.-]+", model.name) or model.name.startswith("."):
        raise ModelError(
            f"model.name = {model.name}: expected package:NAME, an existing folder or a Hub id, found none of them"
        )
    if not re.fullmatch(r"[0-9a-f]{40}", model.revision or ""):
        raise ModelError(
            f"model.name = {model.name}: expected model.revision to be a commit hash of 40 hex digits, "
            f"found {model.revision!r}. A name such as main moves, and the same commit of yours would give another model: "
            "copy the hash from the Hub's history"
        )
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError

    try:
        return Path(snapshot_download(model.name, revision=model.revision, allow_patterns=[*DESCRIPTIONS, "*.safetensors"]))
    except (HfHubHTTPError, LocalEntryNotFoundError, OSError) as error:
        raise ModelError(
            f"model.name = {model.name}: could not be fetched at revision {model.revision} ({type(error).__name__}): "
            "check the id, or fetch it elsewhere and name its folder"
        ) from None
