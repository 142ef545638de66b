"""What graphs and codecs could do if serving cost nothing: raw ONNX Runtime, and with codecs.

    bundle → works, each on one thread per core → images a second, CPU time for each

This is what served rates are compared with. Knows no server.
"""

from __future__ import annotations

import io
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import onnxruntime as ort
from PIL import Image

from benchmarks.measuring import Measure
from inference import images
from inference.latents import shifted

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from bundle import Bundle

BATCHES = (1, 8, 32)
CODEC = "ORT + codec"
PILLOW = "ORT + Pillow's PNG"
LIMITS = images.ImageLimits(16_000_000)
_PNG = "image/png"


@dataclass(frozen=True)
class Ceiling:
    """One thing that graphs and codecs do without a server.

    Attributes:
        operation: encode, decode or shift.
        stage: How much of it.
        images: That one call is worth.
        call: Does it once.
    """

    operation: str
    stage: str
    images: int
    call: Callable[[], object]

    def measure(self, seconds: float, threads: int) -> Measure:
        """Call it on every thread until the time is over."""

        def until(ends: float) -> int:
            done = 0
            while time.perf_counter() < ends:
                self.call()
                done += self.images
            return done

        begun, used = time.perf_counter(), time.process_time()
        with ThreadPoolExecutor(threads) as pool:
            done = sum(pool.map(until, [begun + seconds] * threads))
        passed, cpu = time.perf_counter() - begun, time.process_time() - used
        return Measure(done / passed, float("nan"), float("nan"), 1000 * cpu / done)


def batch_stage(size: int) -> str:
    """What tables call raw ONNX Runtime with batches of ``size``."""
    return f"ORT, batch {size}"


def session(
    graph: bytes, providers: Sequence[Any] = ("CPUExecutionProvider",)
) -> ort.InferenceSession:
    """A session that computes on its calling thread, as the engine's do."""
    options = ort.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    return ort.InferenceSession(graph, options, providers=list(providers))


def ceilings(bundle: Bundle) -> list[Ceiling]:
    """Each graph by batch size; with codecs: one PNG in, one PNG out."""
    manifest = bundle.manifest
    encoder, decoder = session(bundle.encoder), session(bundle.decoder)
    latents = some_latents(max(BATCHES), manifest.latent.dimension)
    pictures: NDArray[np.uint8] = decoder.run(None, {"latent": latents})[0]
    png = images.encode(pictures[0], _PNG)
    strengths = np.zeros((1, len(manifest.attributes)), np.float32)
    strengths[:, :1] = 0.5

    def encode(size: int) -> Callable[[], object]:
        return lambda: encoder.run(None, {"image": pictures[:size]})

    def decode(size: int) -> Callable[[], object]:
        return lambda: decoder.run(None, {"latent": latents[:size]})

    def to_latent(image: NDArray[np.uint8]) -> NDArray[np.float32]:
        mean: NDArray[np.float32] = encoder.run(None, {"image": image[None]})[0]
        return mean

    def file_to_latent() -> NDArray[np.float32]:
        return to_latent(images.decode(png, manifest.image, LIMITS))

    def to_image(latent: NDArray[np.float32]) -> NDArray[np.uint8]:
        image: NDArray[np.uint8] = decoder.run(None, {"latent": latent})[0][0]
        return image

    def shift() -> bytes:
        moved = shifted(file_to_latent(), strengths, bundle.directions)
        return images.encode(to_image(moved), _PNG)

    raw = [
        Ceiling(operation, batch_stage(size), size, make(size))
        for operation, make in (("encode", encode), ("decode", decode))
        for size in BATCHES
    ]
    return [
        *raw,
        Ceiling("encode", CODEC, 1, file_to_latent),
        Ceiling("encode", PILLOW, 1, lambda: to_latent(_read_by_pillow(png, manifest.image.shape))),
        Ceiling("decode", CODEC, 1, lambda: images.encode(to_image(latents[:1]), _PNG)),
        Ceiling("decode", PILLOW, 1, lambda: _written_by_pillow(to_image(latents[:1]))),
        Ceiling("shift", CODEC, 1, shift),
    ]


def some_latents(count: int, dimension: int) -> NDArray[np.float32]:
    """float32 [count, dimension], the same ones each time."""
    return np.random.default_rng(0).standard_normal((count, dimension), np.float32)


def _written_by_pillow(image: NDArray[np.uint8]) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(image[:, :, 0] if image.shape[2] == 1 else image).save(buffer, "PNG")
    return buffer.getvalue()


def _read_by_pillow(png: bytes, shape: tuple[int, int, int]) -> NDArray[np.uint8]:
    with Image.open(io.BytesIO(png)) as image:
        return np.asarray(image).reshape(shape)
