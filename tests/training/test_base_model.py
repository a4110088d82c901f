"""training/base_model.py: which model folders are taken, and which are refused."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from dxtune.errors import ModelError
from dxtune.params import Model, load_params
from dxtune.training.base_model import find_base_model, load_tokenizer, weight_files, weights_sha256
from tests.conftest import ROOT


def model(name: object, **changes: str | None) -> Model:
    values = load_params(ROOT / "params.yaml").model.model_dump()
    return Model.model_validate(values | {"name": str(name), "revision": None, "sha256": None} | changes)


def test_the_default_model_is_the_official_file() -> None:
    folder = find_base_model(load_params(ROOT / "params.yaml").model)
    assert {"model.safetensors", "tokenizer.json", "config.json"} <= {path.name for path in folder.iterdir()}


def test_a_local_folder_is_taken_and_its_checksum_checked(tiny_model: Path) -> None:
    assert find_base_model(model(tiny_model, sha256=weights_sha256(tiny_model))) == tiny_model
    with pytest.raises(ModelError, match=f"found {weights_sha256(tiny_model)}"):
        find_base_model(model(tiny_model, sha256="0" * 64))


def test_pickled_weights_are_refused(tiny_model: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(tiny_model, tmp_path / "pickled"))
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")
    with pytest.raises(ModelError, match=r"pytorch_model\.bin.*\n?.*convert"):
        find_base_model(model(folder))


def test_the_way_to_convert_that_the_message_names_works(tiny_model: Path, tmp_path: Path) -> None:
    import torch
    from transformers import AutoModel

    folder = Path(shutil.copytree(tiny_model, tmp_path / "pickled"))
    torch.save(AutoModel.from_pretrained(tiny_model, dtype=torch.float32).state_dict(), folder / "pytorch_model.bin")
    (folder / "model.safetensors").unlink()
    with pytest.raises(ModelError) as refused:
        find_base_model(model(folder))
    command = str(refused.value).split("python -c ")[1].strip('"')
    new = tmp_path / "converted"
    command = command.replace("'NAME', 'COMMIT HASH', 'source/NAME'", f"{str(folder)!r}, None, {str(new)!r}")
    subprocess.run([sys.executable, "-c", command], check=True, capture_output=True)
    assert find_base_model(model(new)) == new
    assert load_tokenizer(new).encode("chest pain").ids == load_tokenizer(tiny_model).encode("chest pain").ids


def test_code_that_comes_with_a_model_is_refused(tiny_model: Path, tmp_path: Path) -> None:
    for file in ("config.json", "tokenizer_config.json"):
        folder = Path(shutil.copytree(tiny_model, tmp_path / file))
        values = json.loads((folder / file).read_text()) if (folder / file).is_file() else {}
        (folder / file).write_text(json.dumps(values | {"auto_map": {"AutoModel": "modeling.Evil"}}))
        with pytest.raises(ModelError, match=rf"{file} has auto_map.*remove auto_map"):
            find_base_model(model(folder))


def test_weights_in_parts_are_taken_when_all_are_there(tiny_model: Path, tmp_path: Path) -> None:
    from transformers import AutoModel

    folder = tmp_path / "parts"
    AutoModel.from_pretrained(tiny_model).save_pretrained(folder, max_shard_size="100KB")
    assert len(weight_files(find_base_model(model(folder)))) > 2
    whole = weights_sha256(folder)
    assert find_base_model(model(folder, sha256=whole)) == folder
    last = weight_files(folder)[-1]
    last.rename(tmp_path / "elsewhere")
    with pytest.raises(ModelError, match=last.name):
        find_base_model(model(folder))


@pytest.mark.parametrize(
    ("name", "revision", "says"),
    [
        ("package:no_such_package", None, "not installed"),
        ("package:../evil", None, "not installed"),
        ("dmis-lab/biobert-v1.1", None, "40 hex digits"),
        ("dmis-lab/biobert-v1.1", "main", "40 hex digits"),
        ("no/such/folder/there", None, "found none of them"),
    ],
)
def test_a_name_that_cannot_be_pinned_is_refused(name: str, revision: str | None, says: str) -> None:
    with pytest.raises(ModelError, match=says):
        find_base_model(model(name, revision=revision))


def test_a_pinned_hub_id_is_asked_of_the_hub() -> None:
    with pytest.raises(ModelError, match="could not be fetched"):  # HF_HUB_OFFLINE is set: the real call is made, and fails
        find_base_model(model("dmis-lab/biobert-v1.1", revision="a" * 40))


def test_a_pinned_hub_id_loads_from_the_hubs_cache_layout(
    tiny_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import huggingface_hub._snapshot_download as download
    import huggingface_hub.constants

    revision = "b" * 40
    snapshot = tmp_path / "models--someone--tiny/snapshots" / revision
    shutil.copytree(tiny_model, snapshot)
    for module in (huggingface_hub.constants, download.constants):
        monkeypatch.setattr(module, "HF_HUB_CACHE", str(tmp_path))
        monkeypatch.setattr(module, "HF_HUB_OFFLINE", True)
    assert find_base_model(model("someone/tiny", revision=revision)) == snapshot


def test_a_vocabulary_alone_gives_the_same_tokens(tmp_path: Path) -> None:
    base = find_base_model(load_params(ROOT / "params.yaml").model)
    old = tmp_path / "old"
    old.mkdir()
    for name in ("config.json", "vocab.txt", "tokenizer_config.json"):
        shutil.copy(base / name, old)
    text = "62 yo woman, SOB x3 days; WBC 14.2, denies chest pain."
    assert load_tokenizer(old).encode(text).ids == load_tokenizer(base).encode(text).ids
    shutil.rmtree(old)
    old.mkdir()
    shutil.copy(base / "config.json", old)
    with pytest.raises(ModelError, match="found none of them"):
        load_tokenizer(old)
