"""What a frozen network once made of a text, kept while there is room."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable

from torch import Tensor

from sovits.errors import SovitsError


class StateCache:
    """The hidden states of the texts used latest.

    Args:
        capacity: texts; 0 remembers none.
    """

    def __init__(self, capacity: int) -> None:
        if capacity < 0:
            raise SovitsError(f"model.semantic_encoder.cache_texts={capacity} is negative; set 0 for no cache, or a number of texts.")
        self.capacity = capacity
        self._states: OrderedDict[bytes, Tensor] = OrderedDict()

    def __len__(self) -> int:
        return len(self._states)

    def __call__(self, keys: list[bytes], compute: Callable[[list[int]], list[Tensor]]) -> list[Tensor]:
        """A state for each of ``keys``; ``compute`` gets the places in ``keys`` of unknown ones, each once, and returns their states."""
        known = {key: self._states[key] for key in keys if key in self._states}
        unknown = {key: place for place, key in enumerate(keys) if key not in known}
        if unknown:
            known.update(zip(unknown, compute(list(unknown.values())), strict=True))
        for key in keys:
            self._states[key] = known[key]
            self._states.move_to_end(key)
        while len(self._states) > self.capacity:
            self._states.popitem(last=False)
        return [known[key] for key in keys]

    def clear(self) -> None:
        """Forgets all of them."""
        self._states.clear()
