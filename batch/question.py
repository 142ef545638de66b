"""What is looked for: an image, a key or a latent, moved along attributes.

    image file → `inference.images` → encoder's mean [L] → + Σ strength · direction → latent [L]

The engine's own arithmetic; knows no index.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from batch.errors import BatchError
from batch.items import Failure
from batch.loading import Loader
from inference.arrays import check_latents
from inference.call import Call
from inference.engine import Engine, EngineOptions
from inference.images import ImageLimits
from inference.latents import shifted, strength_row

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

    from bundle.store import Bundle

    Float32 = NDArray[np.float32]

_MAX_PIXELS, _MAX_BYTES = 16_000_000, 32 << 20


def latent_of_image(bundle: Bundle, file: Path) -> Float32:
    """The encoder's mean float32 [L] of an image file.

    Raises:
        BatchError: The file is no image that can be read.
    """
    load = Loader(bundle.manifest, ImageLimits(_MAX_PIXELS), _MAX_BYTES)
    loaded = load(file)
    if isinstance(loaded, Failure):
        raise BatchError(f"{file}: {loaded.message}")

    async def encode() -> Float32:
        engine = Engine(bundle, EngineOptions(device="cpu", threads=1, max_batch_size=1))
        try:
            await engine.warm_up()
            encoded = await engine.encode(loaded[None], Call())
            return encoded.mean.reshape(-1)
        finally:
            await engine.aclose()

    return asyncio.run(encode())


def moved(bundle: Bundle, latent: Float32, strengths: Mapping[str, float]) -> Float32:
    """``latent`` float32 [L] moved along attributes, as ``shift`` moves it.

    Raises:
        UnknownAttribute: The bundle has no attribute of that name.
        InvalidRequest: A strength is beyond ±10, or the latent is not finite.
        ShapeMismatch: The latent has another length.
    """
    names = [attribute.name for attribute in bundle.manifest.attributes]
    rows = check_latents(latent[None], bundle.manifest.latent.dimension)
    return shifted(rows, strength_row(strengths, names), bundle.directions).reshape(-1)
