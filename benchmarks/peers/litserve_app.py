"""A LitServe server as a reader would write it: two APIs that LitServe batches.

    python -m benchmarks.peers.litserve_app PORT

LitServe takes JSON or forms, so a picture comes as base64; its HTTP process hands requests to one
worker process for each API.
"""
# LitServe reads the annotations, so this module has no `from __future__ import annotations`.

import base64
import sys
from collections.abc import Iterable
from typing import Any

import litserve
import numpy as np
from numpy.typing import NDArray
from starlette.responses import Response

from benchmarks.peers.graphs import PeerGraphs

MAX_BATCH_SIZE = 32


class _Api(litserve.LitAPI):  # type: ignore[misc]  # it has no types
    def setup(self, device: str) -> None:
        """Open the graphs in the worker."""
        del device
        self.graphs = PeerGraphs()

    def batch(self, inputs: list[NDArray[Any]]) -> NDArray[Any]:
        """Rows → [N, …]."""
        return np.stack(inputs)

    def unbatch(self, output: Iterable[Any]) -> list[Any]:
        """[N, …] → rows."""
        return list(output)


class Encode(_Api):
    """One PNG as base64 → mean and logvar."""

    def decode_request(self, request: dict[str, Any]) -> NDArray[np.uint8]:
        """JSON → uint8 [H, W, C]."""
        return self.graphs.read(base64.b64decode(request["image"]))

    def predict(self, pixels: NDArray[np.uint8]) -> Iterable[Any]:
        """uint8 [N, H, W, C] → rows of outputs, each float32 [L]."""
        return zip(*self.graphs.encode(pixels), strict=True)

    def encode_response(self, row: tuple[NDArray[np.float32], ...]) -> dict[str, Any]:
        """One row → JSON."""
        lists = ([output.tolist()] for output in row)
        return dict(zip(("mean", "logvar"), lists, strict=False))


class Decode(_Api):
    """One latent → PNG."""

    def decode_request(self, request: dict[str, Any]) -> NDArray[np.float32]:
        """JSON → float32 [L]; the first latent is decoded."""
        return np.asarray(request["latents"][0], np.float32)

    def predict(self, latents: NDArray[np.float32]) -> NDArray[np.uint8]:
        """float32 [N, L] → uint8 [N, H, W, C]."""
        return self.graphs.decode(latents)

    def encode_response(self, pixels: NDArray[np.uint8]) -> Response:
        """uint8 [H, W, C] → PNG."""
        return Response(self.graphs.write(pixels), media_type="image/png")


if __name__ == "__main__":
    apis = [
        Encode(max_batch_size=MAX_BATCH_SIZE, api_path="/encode"),
        Decode(max_batch_size=MAX_BATCH_SIZE, api_path="/decode"),
    ]
    server = litserve.LitServer(apis, accelerator="cpu", workers_per_device=1)
    server.run(
        host="127.0.0.1", port=int(sys.argv[1]), generate_client_file=False, log_level="warning"
    )
