"""Networks of three text-books, as printed, each for the one image shape it was written for."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from training.models.reference import chollet, foster, liu

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from training.models.network import Network


@dataclass(frozen=True)
class Reference:
    """How a reference network is built.

    Attributes:
        shape: (H, W, C) of the images that it takes; no other.
        build: Number of latents → the network with fresh weights.
    """

    shape: tuple[int, int, int]
    build: Callable[[int], Network]


REFERENCES: Mapping[str, Reference] = {
    "foster-fashion-ae": Reference((32, 32, 1), partial(foster.fashion, variational=False)),
    "foster-fashion-vae": Reference((32, 32, 1), partial(foster.fashion, variational=True)),
    "foster-faces-32": Reference((32, 32, 3), partial(foster.faces, channels=128, stages=4)),
    "foster-faces-64": Reference((64, 64, 3), partial(foster.faces, channels=64, stages=5)),
    "chollet-mnist-1e": Reference((28, 28, 1), chollet.first_edition),
    "chollet-mnist-2e": Reference((28, 28, 1), chollet.second_edition),
    "liu-mnist-ae": Reference((28, 28, 1), liu.mnist),
    "liu-glasses-256": Reference((256, 256, 3), liu.glasses),
}
"""Every reference network by its name, which is that of its preset."""
