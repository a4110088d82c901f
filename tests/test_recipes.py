"""recipes.py: overlays change params.yaml, keep its comments, and write nothing that is not valid."""

import shutil
from pathlib import Path

import pytest

from dxtune.errors import ParamsError
from dxtune.params import load_params
from dxtune.recipes import apply_recipe
from tests.conftest import ROOT
from tests.training.architectures import CONFIGS, build


@pytest.fixture
def target(tmp_path: Path) -> Path:
    return Path(shutil.copy(ROOT / "params.yaml", tmp_path / "params.yaml"))


@pytest.mark.parametrize("recipe", sorted((ROOT / "recipes").glob("*.yaml")), ids=lambda path: path.stem)
def test_every_recipe_applies_and_comments_stay(recipe: Path, target: Path) -> None:
    before = target.read_text(encoding="utf-8")
    changes = apply_recipe(recipe, ["collect.path=my/notes"], target)
    after = target.read_text(encoding="utf-8")
    assert load_params(target).collect.path == "my/notes"
    assert any(line.startswith("collect.path: ") for line in changes)
    assert after.count("#") >= before.count("#")
    changed = sum(a != b for a, b in zip(before.splitlines(), after.splitlines(), strict=False))
    assert len(before.splitlines()) <= len(after.splitlines()) <= len(before.splitlines()) + 4
    assert changed >= len(changes) - 1
    assert apply_recipe(recipe, ["collect.path=my/notes"], target) == [], "a second time changes nothing"


def test_values_are_yaml(target: Path, tmp_path: Path) -> None:
    (tmp_path / "r.yaml").write_text("train: {lr: 3.0e-5}\n", encoding="utf-8")
    apply_recipe(tmp_path / "r.yaml", ["collect.subgroup_columns=[sex, ward]", "model.sha256=null", "train.epochs=2"], target)
    params = load_params(target)
    assert (params.train.lr, params.train.epochs, params.model.sha256) == (3e-5, 2, None)
    assert params.collect.subgroup_columns == ("sex", "ward")


def test_the_task_is_a_key_without_a_section(target: Path, tmp_path: Path) -> None:
    recipe = tmp_path / "r.yaml"
    recipe.write_text(
        "task: question-answering\ncollect: {source: table, question_column: q}\ntokenize: {long_notes: windows}\n",
        encoding="utf-8",
    )
    assert "task: 'classification' -> 'question-answering'" in apply_recipe(recipe, [], target)
    assert load_params(target).task == "question-answering"
    other = ["task=generation", "collect.question_column=null", "tokenize.long_notes=truncate"]
    assert apply_recipe(recipe, other, target)[0].endswith("'generation'")


@pytest.mark.parametrize(
    ("overlay", "override", "says"),
    [
        ("train: {lrr: 1}\n", [], "unknown key train.lrr"),
        ("trian: {lr: 1}\n", [], "unknown key trian.lr"),
        ("train: {lr: fast}\n", [], "train.lr"),
        ("lr: 1\n", [], "shape of params.yaml"),
        ("train: 1\n", [], "shape of params.yaml"),
        ("{}\n", ["train=1"], "unknown key train"),
        ("train: [\n", [], "not YAML"),
        ("{}\n", ["train.lr"], "KEY=VALUE"),
    ],
)
def test_what_is_wrong_is_refused_and_nothing_is_written(
    target: Path, tmp_path: Path, overlay: str, override: list[str], says: str
) -> None:
    before = target.read_bytes()
    (tmp_path / "r.yaml").write_text(overlay, encoding="utf-8")
    with pytest.raises(ParamsError, match=says):
        apply_recipe(tmp_path / "r.yaml", override, target)
    assert target.read_bytes() == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["params.yaml", "r.yaml"]


def test_a_missing_recipe_names_those_there_are(target: Path) -> None:
    with pytest.raises(ParamsError, match="minilm_symptoms"):
        apply_recipe(ROOT / "recipes/none.yaml", [], target)


@pytest.mark.parametrize(
    ("recipe", "architecture"),
    [
        ("biobert_pubmedqa", "bert"),
        ("clinicalbert_mimic3_icd50", "bert"),
        ("clinicalbert_mimic3_mortality", "bert"),
        ("pubmedbert_hoc", "bert"),
        ("minilm_symptoms", "bert"),
        ("mpnet_symptoms", "mpnet"),
        ("mpnet_mts_dialog", "mpnet"),
        ("qwen_pubmedqa", "qwen2"),
        *(("minilm_symptoms", name) for name in CONFIGS if name not in ("bert", "mpnet")),
    ],
)
def test_every_recipe_loads_and_learns_a_step(
    recipe: str, architecture: str, target: Path, tmp_path: Path, tiny_model: Path
) -> None:
    import torch

    from dxtune.tasks import find_task
    from dxtune.training.base_model import find_base_model
    from dxtune.training.method import adapt, merge

    base = build(architecture, tiny_model, tmp_path / "base")
    apply_recipe(ROOT / f"recipes/{recipe}.yaml", [f"model.name={base}", "model.sha256=null"], target)
    params = load_params(target)
    task = find_task(params.task)
    model = task.build(find_base_model(params.model), 3, params.train.hidden_dropout, params.train.attention_dropout)
    model.encoder = adapt(model.encoder, params.model)
    own = {"label_ids": [0, 2]} if params.task == "multilabel" else {"label_id": 2}
    batch = task.collate([{"input_ids": [2, 50, 60, 3], **own}, {"input_ids": [2, 50, 3], **own}], pad_id=0, labels=3)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3)
    losses = []
    for _ in range(4):
        loss = model.train()(**batch)["loss"]
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        losses.append(loss.item())
    assert losses[-1] < losses[0]
    model.encoder = merge(model.encoder)
    task.save(model, tmp_path / "saved", ["a", "b", "c"], {"thresholds": [0.5] * 3})
    again, _, _ = task.load(tmp_path / "saved")
    with torch.inference_mode():
        torch.testing.assert_close(again(**batch)["logits"], model.eval()(**batch)["logits"])
