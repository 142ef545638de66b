"""Batches for the trainer: rows of an image set, in an order that seed and epoch decide.

images uint8 [N, H, W, C], labels bool [N, A] → uint8 [B, C, H, W], float [B, A]

Whole batches are gathered at once: with the set in memory, or mapped from one file, worker
processes would only cost. No more than a batch of images is ever copied.
"""

from __future__ import annotations

from itertools import count
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, Sampler

if TYPE_CHECKING:
    from collections.abc import Iterator

    from training.data.dataset import Dataset as ImageDataset

Batch = tuple[Tensor, Tensor]


class Rows(Dataset[Batch]):
    """Items of an image set by index lists."""

    def __init__(self, data: ImageDataset) -> None:
        """Keep the arrays of ``data``; nothing is copied."""
        self._images, self._labels = data.images, data.labels

    def __len__(self) -> int:
        """N."""
        return len(self._images)

    def __getitem__(self, index: list[int]) -> Batch:
        """The batch of these items: uint8 [B, C, H, W] (channels last in memory), float [B, A]."""
        rows = np.asarray(index, np.intp)
        images = torch.from_numpy(np.ascontiguousarray(self._images[rows]))
        labels = torch.from_numpy(self._labels[rows].astype(np.float32))
        return images.permute(0, 3, 1, 2), labels


class EpochBatches(Sampler[list[int]]):
    """Index lists of one epoch: shuffled by (seed, epoch), the last incomplete batch left out.

    A small set may be gone through several times in each epoch, every time in another order.

    The order of an epoch does not depend on the epochs before it, so that a resumed run sees
    what an unbroken one would have seen.
    """

    def __init__(
        self,
        items: int,
        batch_size: int,
        *,
        seed: int,
        passes: int = 1,
        part: int = 0,
        parts: int = 1,
    ) -> None:
        """Batches of ``batch_size`` out of ``items``; of each, row ``part``, ``part + parts``, ….

        Each epoch goes ``passes`` times through the items.

        Raises:
            ValueError: There are fewer items than one batch.
        """
        if items < batch_size:
            raise ValueError(
                f"{items} training images do not fill one batch of {batch_size}; take a smaller "
                "batch or more images"
            )
        self._items, self._size, self._seed, self._passes = items, batch_size, seed, passes
        self._rows = slice(part, None, parts)
        self._epoch = self._skipped = 0

    def set_epoch(self, epoch: int) -> None:
        """Called by the trainer at the start of each epoch."""
        self._epoch = epoch

    def skip(self, batches: int) -> None:
        """Leave out the first batches of the next epoch: a broken run has had them."""
        self._skipped = batches

    def __len__(self) -> int:
        """Batches in one epoch."""
        return self._items // self._size * self._passes

    def __iter__(self) -> Iterator[list[int]]:
        """The epoch's index lists."""
        rng = np.random.default_rng((self._seed, self._epoch))
        whole = self._items // self._size * self._size
        orders = [rng.permutation(self._items)[:whole] for _ in range(self._passes)]
        order = np.concatenate(orders)
        skipped, self._skipped = self._skipped, 0
        for start in range(skipped * self._size, len(order), self._size):
            yield order[start : start + self._size][self._rows].tolist()


class _InOrder(Sampler[list[int]]):
    """Index lists that go through ``items`` once; of each, row ``part``, ``part + parts``, …."""

    def __init__(self, items: int, batch_size: int, part: int, parts: int) -> None:
        if items < parts:
            raise ValueError(
                f"{items} images cannot be shared by {parts} processes; give more images or start "
                "fewer processes"
            )
        self._items, self._size, self._part, self._parts = items, batch_size, part, parts

    def __len__(self) -> int:
        rest = self._items % self._size
        # A rest that does not reach every process goes with the batch before it.
        alone = rest >= self._parts or self._items < self._size
        return self._items // self._size + int(rest > 0 and alone)

    def __iter__(self) -> Iterator[list[int]]:
        for batch in range(len(self)):
            start = batch * self._size
            end = self._items if batch == len(self) - 1 else start + self._size
            yield list(range(start + self._part, end, self._parts))


def training_loader(
    data: ImageDataset,
    batch_size: int,
    *,
    seed: int,
    passes: int = 1,
    part: int = 0,
    parts: int = 1,
) -> tuple[DataLoader[Any], EpochBatches]:
    """Shuffled batches, and the order in which they come, to be set for each epoch.

    One process of several gets its ``part`` of each batch. Each epoch is ``passes`` times the set.
    """
    order = EpochBatches(len(data), batch_size, seed=seed, passes=passes, part=part, parts=parts)
    return DataLoader(Rows(data), sampler=order, batch_size=None), order


def endless_batches(data: ImageDataset, batch_size: int, *, seed: int) -> Iterator[Batch]:
    """Epoch after epoch of shuffled batches."""
    loader, order = training_loader(data, batch_size, seed=seed)
    for epoch in count():
        order.set_epoch(epoch)
        yield from loader


def ordered_loader(
    data: ImageDataset, batch_size: int, *, part: int = 0, parts: int = 1
) -> DataLoader[Any]:
    """All items in their order; the last batch may be smaller.

    One process of several gets its ``part`` of each batch, never an empty one.

    Raises:
        ValueError: There are fewer items than parts.
    """
    order = _InOrder(len(data), batch_size, part, parts)
    return DataLoader(Rows(data), sampler=order, batch_size=None)


def to_unit(pixels: Tensor) -> Tensor:
    """uint8 [B, C, H, W] → float in [0, 1], as `bundle.pixels.to_unit` does."""
    return pixels.float() * (1.0 / 255.0)
