"""A model whose checkpoints hold each weight once, and nothing that does not change."""

from typing import Any

from torch import nn


class Checkpointed(nn.Module):
    """A module for models with tied weights, whose second names safetensors refuses, or with many frozen ones."""

    def __init__(self) -> None:
        super().__init__()
        self.register_state_dict_post_hook(_leave_out)  # type: ignore[no-untyped-call]

    @property
    def _keys_to_ignore_on_save(self) -> list[str]:
        """Weights that a checkpoint does without, under the name that transformers asks for: second names, and what is frozen.

        An adapter is a hundredth of its model. Where nothing learns, all of it is there.
        """
        learns = any(each.requires_grad for each in self.parameters())
        names, seen = [], set()
        for name, each in self.named_parameters(remove_duplicate=False):
            if id(each) in seen or (learns and not each.requires_grad):
                names.append(name)
            seen.add(id(each))
        return names

    def tie_weights(self) -> None:
        """What transformers calls after it has read a checkpoint: two names of a weight are still one."""


def _leave_out(model: Checkpointed, state: dict[str, Any], prefix: str, _: Any) -> None:
    for name in model._keys_to_ignore_on_save:
        del state[prefix + name]
