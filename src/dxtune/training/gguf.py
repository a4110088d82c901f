"""GGUF, a model in one file with weights of a few bits: unpacked once into a folder in the layout of the Hub.

What comes out is a reconstruction of the quantised weights in fp32, and not the model that was quantised. torch is imported
inside.
"""

import copy
import json
import os
import shutil
import sys
from pathlib import Path

from dxtune.errors import ModelError


def unpack(file: Path, sha256: str) -> Path:
    """The folder with config, tokenizer, chat template and model.safetensors that a GGUF file was unpacked into.

    It stands in .cache/base_models under the file's checksum: the second time it is only found. config.json says in
    `dequantised_from` what the weights are. Raises ModelError without the package gguf.
    """
    folder = Path(os.environ.get("DVC_ROOT") or "") / ".cache/base_models" / sha256[:16]
    if folder.is_dir():
        return folder
    try:
        import gguf  # noqa: F401
    except ImportError:
        raise ModelError(f"{file.name} needs the package gguf: pip install 'dxtune[generation]'") from None
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    print(  # noqa: T201
        f"model: {file.name} is unpacked into {folder}: a reconstruction of quantised weights, not the original ones",
        file=sys.stderr,
    )
    quantised = AutoModelForCausalLM.from_pretrained(file.parent, gguf_file=file.name, dtype=torch.float32)
    # saved, the model as it is loaded raises: its config still says that it is quantised
    config = copy.deepcopy(quantised.config)
    del config.quantization_config
    model = AutoModelForCausalLM.from_config(config, dtype=torch.float32)  # type: ignore[no-untyped-call]
    model.load_state_dict(quantised.state_dict())

    aside = folder.with_name(f".{folder.name}.{os.getpid()}.part")
    model.save_pretrained(aside)
    AutoTokenizer.from_pretrained(file.parent, gguf_file=file.name).save_pretrained(aside)
    facts = json.loads((aside / "config.json").read_text(encoding="utf-8")) | {
        "dequantised_from": f"{file.name}, sha256 {sha256}"
    }
    (aside / "config.json").write_text(json.dumps(facts, indent=2, sort_keys=True) + "\n", encoding="utf-8")
    try:
        aside.rename(folder)
    except OSError:  # another process was first
        shutil.rmtree(aside)
    return folder
