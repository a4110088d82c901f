"""Inference: a naive pipeline call beside Predictor's, on the same notes in the same run.

    python benchmarks/inference_speed.py            # needs the outputs of `dvc repro`; about two minutes

naive: transformers' pipeline("text-classification") on AutoModelForSequenceClassification with the same encoder, fp32, a note
at a time, cut at the same number of tokens. ours: the final model on the tokens of the test split, batched by length, in bf16
where the processor has it; and Predictor.predict on the texts, which also masks identifiers, cleans and tokenizes. Rounds take
turns; the median of the ratios counts. Both answer with a probability for each class; the naive one's head is not trained,
which takes the same time.
"""

import argparse
import statistics
import time
from pathlib import Path

from dxtune.params import load_params
from dxtune.paths import Paths
from dxtune.predict import Predictor
from dxtune.shards import read_corpus
from dxtune.training.base_model import find_base_model


def main(arguments: list[str] | None = None) -> float:
    """The median of how many times as fast the model's own batches are."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--notes", type=int, default=220)
    options = parser.parse_args(arguments)
    params, paths = load_params(), Paths()
    tokens = read_corpus(paths.tokens / "test").head(options.notes)
    texts = read_corpus(paths.processed / "test").head(options.notes)["text"].to_list()
    predictor = Predictor(Path("models/final"), params.train.threads)

    from transformers import AutoModelForSequenceClassification, AutoTokenizer, pipeline

    base = find_base_model(params.model)
    model = AutoModelForSequenceClassification.from_pretrained(base, num_labels=len(predictor.labels), dtype="float32")
    naive = pipeline("text-classification", model=model, tokenizer=AutoTokenizer.from_pretrained(base), top_k=None)
    ways = {
        "naive pipeline": lambda: [naive(text, truncation=True, max_length=params.tokenize.max_tokens) for text in texts],
        "ours, from tokens": lambda: predictor.predictions(tokens),
        "ours, from raw texts": lambda: predictor.predict(texts),
    }
    for way in ways.values():
        way()
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(options.rounds):
        for name, way in ways.items():
            started = time.perf_counter()
            way()
            seconds[name].append(time.perf_counter() - started)
    print(f"{len(texts)} notes, {tokens['length'].mean():.0f} tokens each, {params.train.threads} threads:")
    ratios = {}
    for name, each in seconds.items():
        ratios[name] = [slow / fast for slow, fast in zip(seconds["naive pipeline"], each, strict=True)]
        rounds = ", ".join(f"{ratio:.1f}" for ratio in ratios[name])
        print(f"  {name:<22}{1000 * statistics.median(each) / len(texts):8.2f} ms a note, {rounds} times as fast")
    return statistics.median(ratios["ours, from tokens"])


if __name__ == "__main__":
    main()
