"""What a job does with each item: one of the engine's operations and its parameters.

    uint8 [N, H, W, C] | pictures | float32 [N, L] → `run` on an engine → Result(latents, images)

Knows no file. An operation is plain data: it is written into the job's file and sent to actors.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from inference.errors import InvalidRequest
from inference.latents import strength_row
from inference.noise import resolve_seed
from inference.ride import LazyRows
from inference.sampling import PriorName, Priors

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from batch.sources.source import Takes
    from bundle.store import Bundle
    from inference.call import Call
    from inference.engine import Engine

    Pixels = NDArray[np.uint8]
    Float32 = NDArray[np.float32]

OperationName = Literal["encode", "decode", "shift", "sample", "reconstruct"]
TAKES: dict[OperationName, tuple[Takes, ...]] = {
    "encode": ("images",),
    "decode": ("latents",),
    "shift": ("images", "latents"),
    "sample": ("latents",),
    "reconstruct": ("images",),
}
"""What each operation works on; those of ``sample`` are drawn."""


@dataclass(frozen=True)
class Result:
    """What became of N items.

    Attributes:
        latents: float32 [N, L]: the mean, or what the image was decoded from.
        logvar: float32 [N, L] of ``encode``, if the model has it.
        images: N images uint8 [h, w, C]; None of ``encode``.
    """

    latents: Float32
    logvar: Float32 | None = None
    images: Sequence[Pixels] | Pixels | None = None


@dataclass(frozen=True)
class Operation:
    """An operation with its parameters.

    Attributes:
        name: Which one.
        strengths: By attribute, of ``shift`` and ``sample``.
        detail: Whether ``shift`` adds what changes to the pictures at their own size.
        seed: Of ``sample``.
        temperature: Of ``sample``, 0 to 2.
        prior: Of ``sample``.
    """

    name: OperationName
    strengths: Mapping[str, float] = field(default_factory=dict)
    detail: bool = False
    seed: int = 0
    temperature: float = 1.0
    prior: PriorName = "fitted"

    @property
    def gives_images(self) -> bool:
        """Whether images come out."""
        return self.name != "encode"

    @property
    def parameters(self) -> dict[str, Any]:
        """Those that this operation heeds, as JSON."""
        found: dict[str, Any] = {}
        if self.name in {"shift", "sample"}:
            found["strengths"] = dict(sorted(self.strengths.items()))
        if self.name == "shift":
            found["detail"] = self.detail
        if self.name == "sample":
            found |= {"seed": self.seed, "temperature": self.temperature, "prior": self.prior}
        return found

    def check(self, bundle: Bundle) -> None:
        """Refuse parameters before any item is read.

        Raises:
            ServingError: What a server would answer to a request with them.
        """
        strength_row(self.strengths, [each.name for each in bundle.manifest.attributes])
        if self.name == "shift" and not self.strengths:
            raise InvalidRequest(
                "shift moves along attributes; name at least one with its strength"
            )
        if self.name == "sample":
            resolve_seed(self.seed)
            Priors(bundle).check(1, self.temperature, self.prior)

    async def run(
        self, engine: Engine, call: Call, takes: Takes, given: Sequence[Any] | LazyRows
    ) -> Result:
        """Run N items, N at least 1, through the engine.

        Args:
            engine: A warm one.
            call: Whose work it is.
            takes: What is given.
            given: N arrays: images uint8 [H, W, C], which may be lazy, pictures uint8 [h, w, c]
                for ``detail``, or latents float32 [L].

        Raises:
            InferenceFailed: A graph does not run.
        """
        if self.detail and takes == "images" and not isinstance(given, LazyRows):
            found = await engine.detail(call, pictures=given, strengths=self.strengths)
            return Result(found.latents, images=found.pictures)
        rows = given if isinstance(given, LazyRows) else np.stack(given)
        if self.name == "encode":
            encoded = await engine.encode(rows, call)
            return Result(encoded.mean, logvar=encoded.logvar)
        if takes == "latents" and not isinstance(rows, LazyRows):
            moved = await engine.shift(call, latents=rows, strengths=self.strengths)
        else:
            moved = await engine.shift(call, images=rows, strengths=self.strengths)
        return Result(moved.latents, images=moved.images)
