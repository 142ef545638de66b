"""What the peers share: the bundle's graphs, and Pillow or the project's own codecs.

    PEER_BUNDLE, PEER_CODECS, PEER_SESSION → sessions
    PNG → uint8 [H, W, C];  uint8 [H, W, C] → PNG

A peer gets the same graphs and the same session options as latentserve; ONNX Runtime's own, whose
threads spin, make FastAPI and LitServe slower. BentoML runs one batch at a time and is faster with
them, so it is measured with both. A reader would take Pillow for pictures. With the codecs of
latentserve, serving alone differs.
"""

from __future__ import annotations

import io
import os
from typing import TYPE_CHECKING, Literal

import numpy as np
import onnxruntime as ort
from PIL import Image

from benchmarks.ceiling import LIMITS, session
from bundle import open_bundle
from inference import images

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    Pixels = NDArray[np.uint8]
    Float32 = NDArray[np.float32]

BUNDLE = "PEER_BUNDLE"
"""The environment variable that names the bundle's folder."""
CODECS = "PEER_CODECS"
"""The environment variable that says whose codecs: ``pillow`` or ``ours``."""
SESSION = "PEER_SESSION"
"""The environment variable that says whose session options: ``ours`` or ``default``."""
Codecs = Literal["pillow", "ours"]
Session = Literal["ours", "default"]


class PeerGraphs:
    """A bundle's two graphs, called on the thread that asks."""

    def __init__(self, path: Path | str | None = None) -> None:
        """Open the bundle at ``path``, by default the one that the environment names."""
        bundle = open_bundle(path or os.environ[BUNDLE])
        self.spec = bundle.manifest.image
        self._pillow = os.environ.get(CODECS, "pillow") == "pillow"
        opened = session if os.environ.get(SESSION, "ours") == "ours" else _default_session
        self._encoder, self._decoder = opened(bundle.encoder), opened(bundle.decoder)

    def encode(self, pixels: Pixels) -> tuple[Float32, ...]:
        """uint8 [N, H, W, C] → mean and, if the model has it, logvar, float32 [N, L]."""
        return tuple(self._encoder.run(None, {"image": pixels}))

    def decode(self, latents: Float32) -> Pixels:
        """float32 [N, L] → uint8 [N, H, W, C]."""
        pixels: Pixels = self._decoder.run(None, {"latent": latents})[0]
        return pixels

    def read(self, file: bytes) -> Pixels:
        """A picture's file → uint8 [H, W, C] of the model's size."""
        if not self._pillow:
            return images.decode(file, self.spec, LIMITS)
        mode = "L" if self.spec.channels == 1 else "RGB"
        size = (self.spec.width, self.spec.height)
        picture = Image.open(io.BytesIO(file)).convert(mode).resize(size)
        return np.asarray(picture).reshape(self.spec.shape)

    def write(self, pixels: Pixels) -> bytes:
        """uint8 [H, W, C] → PNG."""
        if not self._pillow:
            return images.encode(pixels, "image/png")
        buffer = io.BytesIO()
        Image.fromarray(pixels.squeeze()).save(buffer, "PNG")
        return buffer.getvalue()


def _default_session(graph: bytes) -> ort.InferenceSession:
    return ort.InferenceSession(graph, providers=["CPUExecutionProvider"])
