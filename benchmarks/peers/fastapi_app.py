"""A FastAPI application as a reader would write it: plain functions, one run for each request.

    uvicorn benchmarks.peers.fastapi_app:app

FastAPI runs plain functions in its pool of threads; nothing is batched and nothing is bounded.
"""
# FastAPI evaluates the annotations, so this module has no `from __future__ import annotations`.

from typing import Annotated

import numpy as np
from fastapi import Body, FastAPI, Response
from pydantic import BaseModel

from benchmarks.peers.graphs import PeerGraphs

app = FastAPI()
graphs = PeerGraphs()


class Latents(BaseModel):
    """What decode takes: [N, L]; the first is decoded."""

    latents: list[list[float]]


@app.get("/readyz")
def readyz() -> dict[str, bool]:
    """It is ready once it was imported."""
    return {"ready": True}


@app.post("/encode")
def encode(image: Annotated[bytes, Body(media_type="image/png")]) -> dict[str, list[list[float]]]:
    """One PNG → mean and logvar."""
    outputs = graphs.encode(graphs.read(image)[None])
    return dict(zip(("mean", "logvar"), (output.tolist() for output in outputs), strict=False))


@app.post("/decode")
def decode(body: Latents) -> Response:
    """One latent → PNG."""
    pixels = graphs.decode(np.asarray(body.latents, np.float32))
    return Response(graphs.write(pixels[0]), media_type="image/png")
