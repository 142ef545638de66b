"""How many pixels of callers' own pictures a worker may hold at once, while details go onto them.

pixels by the pictures' headers → lease of their request → sum ≤ limit, or a refusal

Any other request keeps images of the model's own small size alone, so only these need a limit.
"""

from __future__ import annotations

from inference.errors import PayloadTooLarge, QueueFull, ServingError
from service.leases import Leases

PICTURES_AT_ONCE = 4
"""So many pictures of the largest size fit; of smaller ones more."""


class Pictures(Leases):
    """The pictures that a worker holds now, in pixels.

    Args:
        max_image_pixels: The largest single picture.
    """

    def __init__(self, max_image_pixels: int) -> None:
        """None is held."""
        super().__init__()
        self._max_image_pixels = max_image_pixels

    @property
    def limit(self) -> int:
        """Pixels of all pictures at most."""
        return PICTURES_AT_ONCE * self._max_image_pixels

    def refusal(self, count: int) -> ServingError:
        """There will be room once other requests are answered, or never for so many."""
        limit = f"{self.limit / 1e6:.3g} ({PICTURES_AT_ONCE} × `max_image_pixels`)"
        if count > self.limit:
            return PayloadTooLarge(
                f"the pictures have {count / 1e6:.3g} megapixels together, and the limit with "
                f"`detail` is {limit}; send fewer at once, or smaller ones",
                details={"pixels": count, "limit": self.limit},
            )
        return QueueFull(
            f"the pictures of running requests hold {self.held / 1e6:.3g} megapixels, and "
            f"{count / 1e6:.3g} more would pass the limit of {limit}; try again in a second",
            retry_after_s=1.0,
        )
