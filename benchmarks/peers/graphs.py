"""What the three peers share: the bundle's graphs and the project's own codecs.

    PEER_BUNDLE → sessions;  PNG → uint8 [H, W, C];  uint8 [H, W, C] → PNG

A peer gets the same graphs, the same session options and the same fast codecs as latentserve, so
what differs is serving alone. Written out by a reader, with Pillow's PNG writer and ONNX Runtime's
default threads, each would be slower.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from benchmarks.ceiling import LIMITS, session
from bundle import open_bundle
from inference import images

if TYPE_CHECKING:
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

    Pixels = NDArray[np.uint8]
    Float32 = NDArray[np.float32]

BUNDLE = "PEER_BUNDLE"
"""The environment variable that names the bundle's folder."""


class PeerGraphs:
    """A bundle's two graphs, called on the thread that asks."""

    def __init__(self, path: Path | str | None = None) -> None:
        """Open the bundle at ``path``, by default the one that the environment names."""
        bundle = open_bundle(path or os.environ[BUNDLE])
        self.spec = bundle.manifest.image
        self._encoder, self._decoder = session(bundle.encoder), session(bundle.decoder)

    def encode(self, pixels: Pixels) -> tuple[Float32, ...]:
        """uint8 [N, H, W, C] → mean and, if the model has it, logvar, float32 [N, L]."""
        return tuple(self._encoder.run(None, {"image": pixels}))

    def decode(self, latents: Float32) -> Pixels:
        """float32 [N, L] → uint8 [N, H, W, C]."""
        pixels: Pixels = self._decoder.run(None, {"latent": latents})[0]
        return pixels

    def read(self, file: bytes) -> Pixels:
        """A picture's file → uint8 [H, W, C] of the model's size."""
        return images.decode(file, self.spec, LIMITS)

    @staticmethod
    def write(pixels: Pixels) -> bytes:
        """uint8 [H, W, C] → PNG."""
        return images.encode(pixels, "image/png")
