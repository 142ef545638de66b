"""BentoML's own batching, as a reader would use it: ``@bentoml.api(batchable=True)``.

    bentoml serve benchmarks.peers.bentoml_app:Peer

A batchable method takes one argument, a batch, and gives one answer for each of its items; over
HTTP the items are JSON, so files travel as base64; as uploads, which BentoML opens with Pillow,
they make no difference to the rate.
"""
# BentoML evaluates the annotations, so this module has no `from __future__ import annotations`.

import base64

import bentoml
import numpy as np

from benchmarks.peers.graphs import PeerGraphs

MAX_BATCH_SIZE = 32
MAX_LATENCY_MS = 60_000
"""BentoML sheds what it thinks would take longer; here nothing shall be shed."""


@bentoml.service(name="peer", workers=1, traffic={"timeout": 60})
class Peer:
    """The two graphs behind BentoML's batching."""

    def __init__(self) -> None:
        """Open the graphs in the worker."""
        self.graphs = PeerGraphs()

    @bentoml.api(batchable=True, max_batch_size=MAX_BATCH_SIZE, max_latency_ms=MAX_LATENCY_MS)
    def encode(self, images: list[str]) -> list[list[list[float]]]:
        """PNGs as base64 → [mean, logvar] of each."""
        pixels = np.stack([self.graphs.read(base64.b64decode(image)) for image in images])
        return [
            [output.tolist() for output in row]
            for row in zip(*self.graphs.encode(pixels), strict=True)
        ]

    @bentoml.api(batchable=True, max_batch_size=MAX_BATCH_SIZE, max_latency_ms=MAX_LATENCY_MS)
    def decode(self, latents: list[list[float]]) -> list[str]:
        """Latents → PNGs as base64."""
        pixels = self.graphs.decode(np.asarray(latents, np.float32))
        return [base64.b64encode(self.graphs.write(each)).decode() for each in pixels]
