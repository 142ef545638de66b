"""Latents drawn from a bundle's priors.

    seed, n, temperature, prior → random numbers of the seed → latents float32 [n, L]

Knows no graph. Which numbers a seed gives is `inference.noise`'s, what becomes of them the
prior's.
"""

from __future__ import annotations

import reprlib
from typing import TYPE_CHECKING, Literal, get_args

from bundle.prior import Prior
from inference.errors import InvalidRequest
from inference.noise import Noise

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy as np
    from numpy.typing import NDArray

    from bundle.store import Bundle

PriorName = Literal["fitted", "normal"]
MAX_TEMPERATURE = 2.0


class Priors:
    """The priors of one bundle: the one fitted to its training images, and N(0, I)."""

    def __init__(self, bundle: Bundle) -> None:
        """A plain autoencoder has the fitted one alone: nothing draws its latents to N(0, I)."""
        dimension = bundle.manifest.latent.dimension
        self._dimension = dimension
        self._priors = {"fitted": bundle.prior}
        if bundle.manifest.variational:
            self._priors["normal"] = Prior.standard_normal(dimension)

    def check(self, n: int, temperature: float, prior: PriorName) -> None:
        """Refuse what cannot be drawn.

        Raises:
            InvalidRequest: ``n`` is no integer from 1, ``temperature`` not in 0 to 2, or the
                bundle has no such prior.
        """
        if isinstance(n, bool) or not isinstance(n, int) or n < 1:
            raise InvalidRequest(f"n is {reprlib.repr(n)}, but must be an integer from 1")
        if not 0 <= temperature <= MAX_TEMPERATURE:  # NaN fails too
            raise InvalidRequest(
                f"temperature is {reprlib.repr(temperature)}, but must lie from 0 (the prior's "
                f"means) to {MAX_TEMPERATURE:g}; 1 is the prior itself"
            )
        if prior not in get_args(PriorName):
            raise InvalidRequest(f"prior is {reprlib.repr(prior)}; choose fitted or normal")
        if prior not in self._priors:
            raise InvalidRequest(
                "prior is 'normal', but this model is a plain autoencoder: nothing makes its "
                "latents follow N(0, I), so such a draw would decode to no image of its kind; "
                "choose fitted"
            )

    def draw(self, seed: int, n: int, temperature: float, prior: PriorName) -> NDArray[np.float32]:
        """Latents [n, L]; the first ones are those of a smaller n."""
        return self.stream(seed, temperature, prior)(n)

    def stream(
        self, seed: int, temperature: float, prior: PriorName
    ) -> Callable[[int], NDArray[np.float32]]:
        """A function whose every call gives the next n latents [n, L] of the seed."""
        noise = Noise(seed, self._dimension)

        def more(n: int) -> NDArray[np.float32]:
            return self._priors[prior].sample(*noise.take(n), temperature)

        return more
