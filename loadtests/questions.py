"""What is asked of the model, whatever the protocol: pictures, latents, parameters.

    Material (pictures, photos, latents), operation, place → Question

Question ``place`` of an operation is the same in all protocols, so their answers can be compared.
"""

from __future__ import annotations

import io
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from loadtests.checks import ModelFacts

PHOTO_SIDE = 256
SEED = 20_000
STRENGTHS = (1.0, 0.0, -1.0, 0.5)
STEPS = 5
BULK = 32
"""Items of one request of a bulk operation, if the server takes as many."""


@dataclass(frozen=True)
class Question:
    """One request, before it has a form.

    Attributes:
        route: encode, decode, sample, shift, reconstruct, interpolate, arithmetic, model,
            attributes.
        files: Pictures as files.
        pixels: Pictures of the model's own size, uint8 [N, H, W, C]; None if there are none.
        latents: float32 [N, L], or None.
        parameters: The others, as in JSON.
    """

    route: str
    files: tuple[bytes, ...] = ()
    pixels: NDArray[np.uint8] | None = None
    latents: NDArray[np.float32] | None = None
    parameters: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Material:
    """What questions are made of: K pictures that the model drew itself.

    Attributes:
        model: Its facts.
        files: PNG of the model's own size.
        pixels: The same, uint8 [K, H, W, C].
        latents: What they were drawn from, float32 [K, L].
    """

    model: ModelFacts
    files: tuple[bytes, ...]
    pixels: NDArray[np.uint8]
    latents: NDArray[np.float32]

    def question(self, operation: str, place: int, *, photos: bool) -> Question:
        """Question ``place`` of ``operation``.

        Args:
            operation: A key of `loadtests.mixes.OPERATIONS`.
            place: Below K.
            photos: Whether every other picture is a larger JPEG, as a shop would send it; not for
                protocols that take pictures of the model's own size alone.
        """
        route, _, variant = operation.partition("-")
        pixels: NDArray[np.uint8] | None
        if variant == "bulk":
            size = min(BULK, self.model.max_items)
            rows = (place + np.arange(size)) % len(self.files)
            files, pixels = tuple(self.files[row] for row in rows), self.pixels[rows]
        else:
            rows = np.array([place])
            file = self.files[place]
            as_photo = photos and place % 2
            files = (photo(file) if as_photo else file,)
            pixels = None if as_photo else self.pixels[rows]
        parameters = self._parameters(route, place)
        if operation == "interpolate":
            return Question(route, latents=self._pair(place), parameters=parameters)
        if route == "decode" or variant == "latents":
            return Question(route, latents=self.latents[rows], parameters=parameters)
        if route in {"encode", "reconstruct", "shift"}:
            return Question(route, files, pixels, parameters=parameters)
        return Question(route, parameters=parameters)

    def _parameters(self, route: str, place: int) -> dict[str, Any]:
        if route == "sample":
            return {"n": 1, "seed": SEED + place}
        if route == "interpolate":
            return {"steps": STEPS}
        if route == "arithmetic":
            first, second = self._pair(place).tolist()
            return {"add": [[first], [second]], "subtract": [[second, first]]}
        if route == "shift":
            names = self.model.attributes
            strength = STRENGTHS[place % len(STRENGTHS)]
            return {"attributes": {names[place % len(names)]: strength} if names else {}}
        return {}

    def _pair(self, place: int) -> NDArray[np.float32]:
        return self.latents[[place, (place + 1) % len(self.files)]]


def photo(picture: bytes) -> bytes:
    """The picture as a shop would send it: larger than the model's size, and JPEG."""
    buffer = io.BytesIO()
    with Image.open(io.BytesIO(picture)) as image:
        image.resize((PHOTO_SIDE, PHOTO_SIDE), Image.Resampling.BICUBIC).save(
            buffer, "JPEG", quality=90
        )
    return buffer.getvalue()
