"""A request's arrays against one model: what the manifest says they must be.

    images, latents, groups, strengths as given → the same as the graphs take them, or a refusal

Runs before admission, so that nothing refused here has cost a place.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, overload

import numpy as np

from inference.arrays import check_images, check_latents
from inference.errors import InvalidRequest, ShapeMismatch
from inference.latents import check_strengths, strength_row
from inference.ride import LazyRows

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from bundle.manifest import Manifest

    Pixels = NDArray[np.uint8]
    Float32 = NDArray[np.float32]
    Strengths = Mapping[str, float] | NDArray[np.floating[Any]]


class Checks:
    """The checks of one model; each returns what it has checked."""

    def __init__(self, manifest: Manifest) -> None:
        """Keep what the manifest says of images, latents and attributes."""
        self._image = manifest.image
        self._dimension = manifest.latent.dimension
        self._names = tuple(attribute.name for attribute in manifest.attributes)

    @overload
    def images(self, images: Pixels | Float32) -> Pixels: ...

    @overload
    def images(self, images: Pixels | LazyRows) -> Pixels | LazyRows: ...

    def images(self, images: Pixels | Float32 | LazyRows) -> Pixels | LazyRows:
        """uint8 [N, H, W, C] of the model's size, N at least 1; lazy ones are their maker's."""
        return images if isinstance(images, LazyRows) else check_images(images, self._image)

    def latents(self, latents: object) -> Float32:
        """float32 [N, L], N at least 1, finite."""
        return check_latents(np.asarray(latents), self._dimension)

    def either(
        self, what: str, images: Pixels | LazyRows | None, latents: Float32 | None
    ) -> Pixels | LazyRows | Float32:
        """Images or latents, whichever was given; ``what`` is the operation's name.

        Raises:
            InvalidRequest: Both or neither were given.
        """
        if (images is None) == (latents is None):
            raise InvalidRequest(f"{what} takes images or latents; send exactly one of them")
        if images is None:
            return self.latents(latents)
        return self.images(images)

    def group(self, group: Pixels | Float32) -> Pixels | Float32:
        """Images if its datatype is uint8, else latents."""
        return self.images(group) if group.dtype == np.uint8 else self.latents(group)

    def pictures(self, pictures: Sequence[Pixels]) -> Sequence[Pixels]:
        """uint8 [h, w, c] each, of any size, c from 1 to 4.

        Raises:
            ShapeMismatch: One is no such array; the message says which.
        """
        for index, picture in enumerate(pictures):
            channels = picture.shape[2:]
            if picture.dtype != np.uint8 or channels not in {(1,), (2,), (3,), (4,)}:
                raise ShapeMismatch(
                    f"picture {index} is {picture.dtype.name} {list(picture.shape)}, but must be "
                    "uint8 [h, w, c] with 1 to 4 channels: grey or RGB, with alpha or without",
                    details={"index": index, "got": list(picture.shape)},
                )
        return pictures

    def strengths(self, strengths: Strengths, rows: int) -> Float32:
        """float32 [1, A], or [N, A] for N ``rows``, in the manifest's order."""
        if isinstance(strengths, np.ndarray):
            return check_strengths(strengths, len(self._names), rows)
        return strength_row(strengths, self._names)
