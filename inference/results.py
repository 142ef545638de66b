"""What the engine answers: arrays whose row i belongs to item i of the request.

engine → mean, logvar [N, L] | images [N, H, W, C] or pictures, latents [N, L], seed → transports

Knows nothing of how they came about.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Pixels = NDArray[np.uint8]
    Float32 = NDArray[np.float32]

T = TypeVar("T")
Then = Callable[[T], object] | None
"""What to do with a result before its caller has it: called once, off the event loop."""


@dataclass(frozen=True)
class Encoded:
    """What the encoder says of N images.

    Attributes:
        mean: float32 [N, L], row i belongs to image i.
        logvar: float32 [N, L], the log-variance about the mean; None if the model is a plain
            autoencoder, which has none.
    """

    mean: Float32
    logvar: Float32 | None


@dataclass(frozen=True)
class Images:
    """Decoded images and where they came from.

    Attributes:
        images: uint8 [N, H, W, C].
        latents: float32 [N, L], row i is what image i was decoded from.
    """

    images: Pixels
    latents: Float32


@dataclass(frozen=True)
class Sampled(Images):
    """Images drawn from a prior.

    Attributes:
        seed: Gives the same images again.
    """

    seed: int


@dataclass(frozen=True)
class Pictures:
    """The caller's own pictures, with what a shift changes.

    Attributes:
        pictures: uint8 [h, w, c] each, of its own size and channels.
        latents: float32 [N, L], row i is where picture i's latent was moved to.
    """

    pictures: tuple[Pixels, ...]
    latents: Float32
