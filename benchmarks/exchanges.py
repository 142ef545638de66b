"""What each system is sent: the same picture and the same latents, in the form that it takes.

    bundle → Material(PNG, latents) → by operation, for each system, one Exchange

Knows the wire of latentserve and of the peers; opens no connection.
"""

from __future__ import annotations

import base64
import io
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import orjson

from benchmarks.ceiling import session, some_latents
from benchmarks.load import Exchange, http_request
from inference import images
from service.oip.rest import HEADER_LENGTH
from service.proto.latentserve.v1 import latents_pb2 as messages

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from bundle import Bundle

PNG, JSON, NPY = "image/png", "application/json", "application/x-npy"
PNG_BEGINS, NPY_BEGINS = b"\x89PNG", b"\x93NUMPY"
BULK = 64
SINGLE = ("encode", "decode", "shift", "sample")
"""Operations on one image over HTTP."""
_DECODE = "/latentserve.v1.Latents/Decode"
_FIRST_FIELD = b"\n"
"""How a message begins whose first field, of bytes or a message, is set."""


@dataclass(frozen=True)
class Material:
    """What requests are made of.

    Attributes:
        png: A picture that the model could have drawn, of its own size.
        latents: float32 [BULK, L].
        attribute: What to shift; None if the model has no attribute.
    """

    png: bytes
    latents: NDArray[np.float32]
    attribute: str | None


def material(bundle: Bundle) -> Material:
    """A picture decoded from the first latent: as a file, noise would be far larger than a face."""
    latents = some_latents(BULK, bundle.manifest.latent.dimension)
    pixels = session(bundle.decoder).run(None, {"latent": latents[:1]})[0][0]
    names = [attribute.name for attribute in bundle.manifest.attributes]
    return Material(images.encode(pixels, PNG), latents, names[0] if names else None)


def ours(given: Material) -> dict[str, Exchange]:
    """One image over HTTP, by operation."""
    latent = orjson.dumps({"latents": given.latents[:1].round(4).tolist()})
    found = {
        "encode": Exchange(http_request("/v1/encode", PNG, given.png), b"{"),
        "decode": Exchange(http_request("/v1/decode", JSON, latent), PNG_BEGINS),
        "sample": Exchange(http_request("/v1/sample", JSON, b'{"n":1,"seed":7}'), PNG_BEGINS),
    }
    if given.attribute is not None:
        body = orjson.dumps(
            {
                "images": [base64.b64encode(given.png).decode()],
                "attributes": {given.attribute: 0.5},
            }
        )
        found["shift"] = Exchange(http_request("/v1/shift", JSON, body), PNG_BEGINS)
    return found


def ours_bulk(given: Material) -> dict[str, Exchange]:
    """Many latents to pixels in one request, by the form in which they travel."""
    array = io.BytesIO()
    np.save(array, given.latents)
    rows, dimension = given.latents.shape
    head = orjson.dumps(
        {
            "inputs": [
                {
                    "name": "latent",
                    "datatype": "FP32",
                    "shape": [rows, dimension],
                    "parameters": {"binary_data_size": given.latents.nbytes},
                }
            ],
            "parameters": {"binary_data_output": True},
        }
    )
    binary = http_request(
        "/v2/models/decoder/infer",
        "application/octet-stream",
        head + given.latents.tobytes(),
        **{HEADER_LENGTH: str(len(head))},
    )
    npy = http_request("/v1/decode", NPY, array.getvalue(), Accept=NPY)
    pixels = _decode_message(given.latents, "IMAGE_FORMAT_PIXELS")
    return {
        "npy": Exchange(npy, NPY_BEGINS, BULK),
        "OIP binary": Exchange(binary, b"{", BULK),
        "gRPC": Exchange(pixels, _FIRST_FIELD, BULK, _DECODE),
    }


def ours_grpc(given: Material) -> Exchange:
    """One latent to PNG over gRPC."""
    message = _decode_message(given.latents[:1], "IMAGE_FORMAT_PNG")
    return Exchange(message, _FIRST_FIELD, method=_DECODE)


def fastapi(given: Material) -> dict[str, Exchange]:
    """As `benchmarks.peers.fastapi_app` takes it."""
    return {
        "encode": Exchange(http_request("/encode", PNG, given.png), b"{"),
        "decode": Exchange(http_request("/decode", JSON, _latents(given)), PNG_BEGINS),
    }


def litserve(given: Material) -> dict[str, Exchange]:
    """As `benchmarks.peers.litserve_app` takes it."""
    image = orjson.dumps({"image": base64.b64encode(given.png).decode()})
    return {
        "encode": Exchange(http_request("/encode", JSON, image), b"{"),
        "decode": Exchange(http_request("/decode", JSON, _latents(given)), PNG_BEGINS),
    }


def bentoml(given: Material) -> dict[str, Exchange]:
    """As `benchmarks.peers.bentoml_app` takes it."""
    image = orjson.dumps({"images": [base64.b64encode(given.png).decode()]})
    begins = b'["' + base64.b64encode(PNG_BEGINS)[:4]
    return {
        "encode": Exchange(http_request("/encode", JSON, image), b"[["),
        "decode": Exchange(http_request("/decode", JSON, _latents(given)), begins),
    }


def mixed(given: Material, shares: Mapping[str, int]) -> tuple[Exchange, ...]:
    """Our operations, each as often as its share says.

    Raises:
        ValueError: An operation that is not there.
    """
    known = ours(given)
    unknown = [name for name in shares if name not in known]
    if unknown:
        raise ValueError(f"there is no operation {unknown[0]!r}; choose from {', '.join(known)}")
    return tuple(known[name] for name, share in shares.items() for _ in range(share))


def _latents(given: Material) -> bytes:
    return orjson.dumps({"latents": given.latents[:1].round(4).tolist()})


def _decode_message(latents: NDArray[np.float32], image_format: str) -> bytes:
    rows, columns = latents.shape
    matrix = messages.Matrix(rows=rows, columns=columns, data=latents.tobytes())
    request = messages.DecodeRequest(latents=matrix, format=image_format)
    return bytes(request.SerializeToString())
