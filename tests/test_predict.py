"""predict.py: one folder is all that is needed, and the answer does not depend on company or order."""

import json
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import torch

from dxtune.errors import DataError, ModelError
from dxtune.predict import Predictor
from dxtune.tasks import classification
from dxtune.tasks.notes import encode
from dxtune.training.attention import use_fast_bf16
from dxtune.training.base_model import load_tokenizer
from dxtune.training.provenance import labels_sha256

NOTES = ["Mr. John Smith has a fever.", "flank pain " * 40, "cough", "seen on 03/04/2019 for chills"]


def known_notes(tiny_model: Path) -> pl.DataFrame:
    """The tokens of forty notes of validation."""
    texts = [f"{'no ' * (number % 3)}fever and {'chills' if number % 2 else 'cough'}, seen by me" for number in range(40)]
    ids = [f"{number:02d}" for number in range(40)]
    notes = pl.DataFrame({"note_id": ids, "patient_id": ids, "text": texts, "label_id": [number % 3 for number in range(40)]})
    return encode(load_tokenizer(tiny_model).to_str(), 64, "truncate", 0, notes).tables["tokens"]


@pytest.fixture
def folder(tiny_model: Path, tmp_path: Path) -> Path:
    torch.manual_seed(1)
    model = classification.build(tiny_model, 3, 0.0, 0.0)
    settings = {"task": "classification", "question": False, "max_tokens": 64, "long_notes": "truncate", "stride": 0}
    settings |= {"pad_token_id": 0, "temperature": 1.0, "cleaning": {"boilerplate": [], "drop_sections": []}}
    model.tokenizer = load_tokenizer(tiny_model)
    settings["unk_token_id"] = model.tokenizer.token_to_id("[UNK]")
    settings |= classification.fit(model.eval(), known_notes(tiny_model), settings, bf16=False) | {"temperature": 1.0}
    settings["labels_sha256"] = labels_sha256(["a", "b", "c"])
    classification.save(model, tmp_path / "final", ["a", "b", "c"], settings)
    load_tokenizer(tiny_model).save(str(tmp_path / "final/tokenizer.json"))
    return tmp_path / "final"


def test_another_label_map_is_refused(folder: Path) -> None:
    (folder / "labels.json").write_text('["b", "a", "c"]')
    with pytest.raises(ModelError, match="names or their order differ"):
        Predictor(folder, precision="fp32")


def test_questions_are_asked_as_in_training(folder: Path) -> None:
    with pytest.raises(DataError, match=r"notes without questions, as the model was trained: call predict\(texts\)$"):
        Predictor(folder, precision="fp32").predict(NOTES[:1], ["Is it fever?"])
    settings = json.loads((folder / "dxtune.json").read_text())
    (folder / "dxtune.json").write_text(json.dumps(settings | {"question": True}))
    predictor = Predictor(folder, precision="fp32")
    with pytest.raises(DataError, match=r"a question with each note.*predict\(texts, questions\)$"):
        predictor.predict(NOTES[:1])
    fever, cough, named = predictor.predict(
        ["Mr. John Quillfeather is here."] * 3, ["Has he fever?", "Has he a cough?", "Has Quillfeather fever?"]
    )
    assert fever != cough, "the question counts"
    masked = predictor.predict(["Mr. John Quillfeather is here."], ["Has [NAME] fever?"])[0]
    assert named.probabilities == pytest.approx(masked.probabilities, abs=2e-6), "the note says that this is a name"
    lines = str(fever).splitlines()[:3]
    assert [line.split()[1] for line in lines] == sorted("abc", key=lambda label: -fever.probabilities[label])


def test_probabilities_add_up_and_do_not_depend_on_the_batch(folder: Path) -> None:
    predictor = Predictor(folder, precision="fp32")
    together = predictor.predict(NOTES)
    for note, prediction in zip(NOTES, together, strict=True):
        assert sum(prediction.probabilities.values()) == pytest.approx(1, abs=1e-5)
        assert prediction.label == max(prediction.probabilities, key=prediction.probabilities.__getitem__)
        alone = predictor.predict([note])[0]
        assert alone.probabilities == pytest.approx(prediction.probabilities, abs=2e-6)


def test_identifiers_are_masked_before_the_model_sees_a_note(folder: Path) -> None:
    predictor = Predictor(folder, precision="fp32")
    a, b = predictor.predict(["Mr. John Smith has a fever.", "Mr. Peter Miller has a fever."])
    assert a == b


def test_what_was_left_out_in_training_is_left_out_of_a_raw_note(folder: Path) -> None:
    settings = json.loads((folder / "dxtune.json").read_text())
    line = "Printed by the system of Mr. [NAME], not signed."
    cleaning = {"boilerplate": [line], "drop_sections": ["assessment"]}
    (folder / "dxtune.json").write_text(json.dumps(settings | {"cleaning": cleaning}))
    predictor = Predictor(folder, precision="fp32")
    short = "History: cough and fever\nFollow-up: in a week"
    raw = f"{line.replace('[NAME]', 'John Smith')}\nHistory:  cough and fever\nA/P:\nflank pain\nFollow-up: in a week"
    a, b = predictor.predict([short, raw])
    assert a == b
    (folder / "dxtune.json").write_text(json.dumps(settings))
    a, b = Predictor(folder, precision="fp32").predict([short, raw])
    assert a != b, "they do differ to this model"


def test_order_of_rows_is_kept_over_many_batches(folder: Path) -> None:
    rng = np.random.default_rng(0)
    ids = [rng.integers(5, 500, n).tolist() for n in rng.integers(3, 500, 60)]
    predictor = Predictor(folder, precision="fp32")
    names = [f"n-{row}" for row in range(60)]
    table = pl.DataFrame({"note_id": names, "input_ids": ids}, schema_overrides={"input_ids": pl.List(pl.Int32)})
    result = np.array(predictor.predictions(table)["probabilities"].to_list())
    back = np.array(predictor.predictions(table.reverse())["probabilities"].to_list())[::-1]
    assert result.shape == (60, 3)
    np.testing.assert_allclose(result, back, atol=1e-6)


def test_the_temperature_is_applied(folder: Path) -> None:
    before = Predictor(folder, precision="fp32").predict(NOTES)
    settings = json.loads((folder / "dxtune.json").read_text())
    (folder / "dxtune.json").write_text(json.dumps(settings | {"temperature": 4.0}))
    for sure, tempered in zip(before, Predictor(folder, precision="fp32").predict(NOTES), strict=True):
        cooled = np.array(list(sure.probabilities.values())) ** 0.25
        assert list(tempered.probabilities.values()) == pytest.approx((cooled / cooled.sum()).tolist(), abs=1e-5)


def test_a_note_unlike_those_of_training_is_said_to_be(folder: Path) -> None:
    usual, foreign = Predictor(folder, precision="fp32").predict(
        ["fever and chills, seen by me", "Пациент 患者 жалуется 咳嗽 " * 3]
    )
    assert usual.unlike < 0.99 and "unlike" not in str(usual)
    assert foreign.unlike == 1 and str(foreign).splitlines()[-1].startswith("unlike the notes of training")


def test_the_language_of_a_note_is_that_of_its_text(folder: Path) -> None:
    predictor = Predictor(folder, precision="fp32")
    respects = predictor.settings["familiar"]["respects"]
    for name in set(respects) - {"language"}:
        respects[name] = [np.inf] * len(respects[name])  # nothing else can be far
    german = (
        "67-jähriger Patient mit seit zwei Stunden bestehenden Schmerzen, ausstrahlend in den linken Arm. Es besteht eine "
        "arterielle Hypertonie. Fieber bis 39 Grad und Atemnot seit drei Tagen, deshalb stationäre Aufnahme."
    )
    spanish = (
        "Paciente que acude a urgencias por dolor de dos horas de evolución. Refiere fiebre, tos productiva y disnea hace "
        "tres días. Se inicia tratamiento y queda ingresado en observación."
    )
    english = (
        "67M w/ hx HTN, HLD, DM p/w CP radiating to L arm x 2h. EKG: ST dep V4-V6. Trop 0.12. ASA, hep gtt, cards consult."
    )
    assert [each.unlike for each in predictor.predict([german, spanish, english])] == [1, 1, 0]


def test_weights_that_are_held_in_bf16_give_the_same_numbers(folder: Path) -> None:
    rows = known_notes(folder).head(9)
    held = Predictor(folder, precision="bf16")
    model, _, settings = classification.load(folder)
    model.tokenizer = held.tokenizer
    use_fast_bf16(model.encoder)
    assert {each.dtype for each in (held.model.head.weight, model.head.weight)} == {torch.bfloat16, torch.float32}
    assert held.predictions(rows).equals(classification.predict(model, rows, settings, True))
