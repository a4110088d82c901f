"""Seconds of a training step on the same pairs: dxtune's loss on responses, transformers' own, and that of TRL's SFTTrainer.

    python benchmarks/generation_loss.py

A Llama of the width and vocabulary of SmolLM2-135M, six of its thirty layers, random weights, 4 rows of 256 tokens of which 40
are the prompt, bf16 autocast. The median of five steps after two, in turns.
"""

import os
import statistics
import time
from collections.abc import Callable

os.environ.setdefault("HF_HUB_OFFLINE", "1")  # TRL sends telemetry otherwise

import torch
from transformers import LlamaConfig, LlamaForCausalLM
from trl.trainer.sft_trainer import add_fused_lm_head

from dxtune.tasks.generation import IGNORED, Responder
from dxtune.training.machine import prepare

SIZE = {"hidden_size": 576, "intermediate_size": 1536, "num_hidden_layers": 6, "vocab_size": 49152, "tie_word_embeddings": True}


def main() -> None:
    """Prints one line a loss: value, seconds a step, times dxtune's."""
    prepare(threads=1, seed=0)
    model = LlamaForCausalLM(LlamaConfig(num_attention_heads=9, num_key_value_heads=3, **SIZE))
    ids = torch.randint(5, 49152, (4, 256))
    labels = ids.clone()
    labels[:, :40] = IGNORED
    count = (labels != IGNORED).sum()
    add_fused_lm_head(model, outputs=("log_probs", "entropy", "is_top1"))  # as SFTTrainer does; used only where asked for
    responder = Responder(model)
    losses: dict[str, Callable[[], torch.Tensor]] = {
        "dxtune": lambda: responder(ids, labels)["loss"],
        "transformers": lambda: model(input_ids=ids, labels=labels, use_cache=False, num_items_in_batch=count).loss,
        "TRL": lambda: -model(input_ids=ids, labels=labels, use_cache=False, fused_lm_head=True).log_probs.sum() / count,
    }
    seconds: dict[str, list[float]] = {name: [] for name in losses}
    values = {}
    for _ in range(7):
        for name, loss in losses.items():
            model.zero_grad()
            start = time.perf_counter()
            with torch.autocast("cpu", dtype=torch.bfloat16):
                value = loss()
            value.backward()
            seconds[name].append(time.perf_counter() - start)
            values[name] = value.item()
    ours = statistics.median(seconds["dxtune"][2:])
    for name in losses:
        step = statistics.median(seconds[name][2:])
        print(f"{name:<13} loss {values[name]:.4f}  {step:6.2f} s a step  {step / ours:5.2f} times dxtune")


if __name__ == "__main__":
    main()
