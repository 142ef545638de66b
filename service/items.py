"""What several kinds of bodies have in common: images and latents as they were sent.

base64 texts → compressed images;  a count beyond the limit → the one error for it

Knows no body format, and nothing of pixels: images stay compressed here.
"""

from __future__ import annotations

import binascii
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from inference.errors import InvalidImage, InvalidRequest, TooManyItems

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray


@dataclass(slots=True)
class Items:
    """Images or latents.

    Attributes:
        images: Compressed images, or one uint8 array [N, h, w, C]; None if there are none.
        latents: JSON rows or a float array [N, L], not checked yet; None if there are none.
    """

    images: list[bytes] | NDArray[np.uint8] | None = None
    latents: object | None = None

    def __len__(self) -> int:
        """How many there are, as far as it can be told before they are checked."""
        given = self.latents if self.images is None else self.images
        return len(given) if isinstance(given, list | np.ndarray) else 0


def decode_base64(values: Sequence[object], name: str) -> list[bytes]:
    """Compressed images from base64 texts; ``name`` is their field's, for messages.

    Raises:
        InvalidRequest: One is no text.
        InvalidImage: One is not base64.
    """
    decoded = []
    for index, value in enumerate(values):
        if not isinstance(value, str):
            raise InvalidRequest(
                f"{name}[{index}] is a JSON {type(value).__name__}, but must be a base64 text"
            )
        try:
            decoded.append(binascii.a2b_base64(value.encode("ascii"), strict_mode=True))
        except (binascii.Error, UnicodeEncodeError) as error:
            raise InvalidImage(
                f"{name}[{index}] is not base64 ({error}): {value[:40]!r}; send the image's bytes "
                "as plain base64, without a data: prefix or line breaks"
            ) from None
    return decoded


def too_many(what: str, max_items: int) -> TooManyItems:
    """The error for a request that has ``what``, for instance "300 images"."""
    return TooManyItems(
        f"the request has {what}, the limit is {max_items}; send them in several requests, or ask "
        "the operator to raise `max_items`",
        details={"limit": max_items},
    )
