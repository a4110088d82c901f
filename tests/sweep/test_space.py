"""space.py: what is searched, from the command line, and what is refused."""

import pytest
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

from dxtune.errors import ParamsError
from dxtune.params import load_params
from dxtune.sweep.space import check, read_space
from tests.conftest import ROOT

PARAMS = load_params(ROOT / "params.yaml")


def test_each_form_is_a_distribution_of_the_kind_that_the_setting_has() -> None:
    texts = [
        "train.lr=log(1e-5, 1e-4)",
        "train.epochs=range(2,5)",
        "train.weight_decay=range(0,1)",
        "train.micro_batch=[null,4]",
    ]
    assert read_space([*texts, "train.patience=3", "model.method=[full, lora]"], PARAMS) == {
        "train.lr": FloatDistribution(1e-5, 1e-4, log=True),
        "train.epochs": IntDistribution(2, 5),
        "train.weight_decay": FloatDistribution(0, 1),
        "train.micro_batch": CategoricalDistribution([None, 4]),
        "train.patience": CategoricalDistribution([3]),
        "model.method": CategoricalDistribution(["full", "lora"]),
    }


@pytest.mark.parametrize(
    ("texts", "says"),
    [
        ([], "expected something to search"),
        (["train.lr=1e-3"], "expected something to search"),
        (["train.lr"], "expected KEY=VALUES"),
        (["lr=[1,2]"], "expected KEY=VALUES"),
        (["train.lrr=[1,2]"], "unknown key train.lrr: did you mean train.lr?"),
        (["trian.lr=[1,2]"], "unknown key trian"),
        (["train.lr=[0.1,7]"], "train.lr = 7"),
        (["train.lr=[[1],[2]]"], "one of the forms"),
        (["train.lr=[1,"], "expected a value"),
        (["train.lr=uniform(1,2)"], "one of the forms"),
        (["train.lr=log(0,1)"], "above 0 for log"),
        (["train.lr=range(2,1)"], "the lower first"),
        (["train.lr=range(a,b)"], "two numbers"),
        (["train.epochs=range(1.5,3)"], "whole numbers"),
        (["train.lr=[0.1,0.2]", "train.lr=[0.3]"], "given twice"),
        (["preprocess.seed=[1,2]"], "the notes that trials are compared on"),
        (["evaluate.bootstrap_resamples=[100,200]"], "nothing that validation sees"),
    ],
)
def test_what_params_yaml_could_not_hold_is_refused(texts: list[str], says: str) -> None:
    with pytest.raises(ParamsError) as error:
        read_space(texts, PARAMS)
    assert says in str(error.value)


def test_values_that_need_each_other_are_looked_at_together() -> None:
    read_space(["tokenize.long_notes=windows", "tokenize.max_tokens=[64,128]", "tokenize.stride=16"], PARAMS)
    with pytest.raises(ParamsError, match="stride"):
        check(PARAMS, {"tokenize.long_notes": "windows", "tokenize.max_tokens": 64})
