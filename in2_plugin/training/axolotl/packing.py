"""Pack examples into rows once, and shuffle the rows in each epoch, so that a resumed run continues in the same order.

Axolotl packs every epoch anew, in an order drawn from the random state of the process: a run that resumes within an
epoch packs the rest of it differently, so some examples come twice and others never. It also keeps only as many rows as
the shortest of several packings has. Invariants: the rows depend only on lengths and seed, their order only on seed and
epoch, and every rank computes both alike.
"""

from collections.abc import Iterator
from itertools import islice
from typing import Any

import numpy as np
import numpy.typing as npt
from torch.utils.data import BatchSampler


def packing_order(n_examples: int, seed: int) -> list[int]:
    """Return the order in which examples are packed, for Axolotl's MultipackBatchSampler."""
    order: list[int] = np.random.default_rng(seed).permutation(n_examples).tolist()
    return order


class PackedRows(BatchSampler):
    """Samples the rows of a MultipackBatchSampler in batches, each row once per epoch, in an order of seed and epoch.

    Rows that do not fill the last batch are left out: other rows in each epoch.
    """

    def __init__(self, packed: Any, seed: int) -> None:
        """Take a MultipackBatchSampler over `packing_order`."""
        super().__init__(packed.sampler, packed.batch_size, packed.drop_last)
        packed.drop_last = False  # it would leave out the same rows in each epoch
        packed.set_epoch(0)  # forgets batches that were made with `drop_last`
        self._rows: list[list[int]] = [row for batch in packed.generate_batches() for row in batch]
        self._seed, self.epoch = seed, 0

    def __len__(self) -> int:
        return len(self._rows) // int(self.batch_size)

    def set_epoch(self, epoch: int) -> None:
        """Set the epoch that determines the order."""
        self.epoch = epoch

    def order(self) -> npt.NDArray[np.int64]:
        """Return (n_rows,) the order of this epoch."""
        return np.random.default_rng([self._seed, self.epoch]).permutation(len(self._rows))

    def __iter__(self) -> Iterator[Any]:
        rows = map(self._rows.__getitem__, self.order())
        return (list(islice(rows, self.batch_size)) for _ in range(len(self)))
