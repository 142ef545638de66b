"""The data plane in this process, over a tiny bundle, behind an httpx client without a network.

And the few files that tests send and read.
"""

from __future__ import annotations

import contextlib
import io
from typing import TYPE_CHECKING, Any

import httpx
import numpy as np
from PIL import Image

from service.app import create_app
from service.runtime import Runtime
from service.settings import Settings

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator
    from pathlib import Path

NPY = {"Accept": "application/x-npy"}
JSON = {"Accept": "application/json"}


def png(grey: int = 128, size: int = 16) -> bytes:
    """A grey square as a PNG file."""
    buffer = io.BytesIO()
    Image.new("RGB", (size, size), (grey, grey, grey)).save(buffer, "PNG")
    return buffer.getvalue()


def png_of(pixels: np.ndarray) -> bytes:
    """An array uint8 [h, w, c] as a PNG file."""
    buffer = io.BytesIO()
    Image.fromarray(pixels[:, :, 0] if pixels.shape[2] == 1 else pixels).save(buffer, "PNG")
    return buffer.getvalue()


def npy(array: Any) -> bytes:
    """An array as an .npy file."""
    buffer = io.BytesIO()
    np.save(buffer, array)
    return buffer.getvalue()


def pixels_of(data: bytes) -> np.ndarray:
    """An image file as uint8 [h, w, c]."""
    pixels = np.asarray(Image.open(io.BytesIO(data)))
    return pixels if pixels.ndim == 3 else pixels[:, :, None]


def array_of(response: httpx.Response) -> np.ndarray:
    """The array or the picture that a successful answer holds."""
    assert response.status_code == 200, response.text
    if response.headers["content-type"] == "application/x-npy":
        return np.asarray(np.load(io.BytesIO(response.content)))
    return np.asarray(Image.open(io.BytesIO(response.content)))


@contextlib.asynccontextmanager
async def served(
    bundle: Path, **settings: Any
) -> AsyncGenerator[tuple[httpx.AsyncClient, Runtime]]:
    """A client of a warm application on ``bundle``; closed at the end."""
    runtime = Runtime(Settings(bundle=bundle, device="cpu", threads=2, **settings))
    runtime.open()
    runtime.start()
    await runtime.ready()
    app = create_app(runtime.settings, runtime=runtime)
    transport = httpx.ASGITransport(app=app)
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
        try:
            yield client, runtime
        finally:
            await runtime.aclose()
