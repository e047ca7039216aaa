"""A transformers model's weights by name, each of which a graph must use."""

from dataclasses import dataclass, field

import torch

from models.export.graph.nodes import Array
from schemas.errors import UnsupportedArchitecture


@dataclass(slots=True)
class Weights:
    """The weights of a model.

    A weight that no part of the graph uses means that the architecture is unsupported.
    """

    tensors: dict[str, torch.Tensor]
    _used: set[str] = field(default_factory=set)

    def get(self, name: str) -> Array | None:
        """A weight in float32; None if the model has no such weight."""
        if name not in self.tensors:
            return None
        self._used.add(name)
        return self.tensors[name].float().cpu().numpy()

    def need(self, name: str) -> Array:
        """A weight in float32. Raises UnsupportedArchitecture if the model has no such weight."""
        found = self.get(name)
        if found is None:
            raise UnsupportedArchitecture(f"no weight {name}")
        return found

    def refuse_unused(self) -> None:
        """Raise UnsupportedArchitecture if a weight was never asked for."""
        unused = sorted(self.tensors.keys() - self._used)
        if unused:
            raise UnsupportedArchitecture(f"weight {unused[0]}")
