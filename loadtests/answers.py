"""Answers of every protocol as arrays, so that one comparison serves them all.

    form, body → {image: uint8 [N, H, W, C], latent, mean, logvar: float [N, L]}

Raises `WrongAnswer` for whatever a client could not use: half a picture, another size, numbers
that are not finite, a message that is none.
"""

from __future__ import annotations

import base64
import io
import json
from typing import TYPE_CHECKING, Any

import numpy as np
from google.protobuf.message import DecodeError

from loadtests.checks import WrongAnswer, check_images, check_rows, read_picture

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from loadtests.checks import ModelFacts
    from loadtests.messages import Messages

Arrays = dict[str, "NDArray[Any]"]
ROWS = ("mean", "logvar", "latent")
_ALIASES = {"latents": "latent"}
_DTYPES = {"UINT8": "u1", "FP32": "<f4", "INT64": "<i8"}


def read(form: str, body: bytes, model: ModelFacts, messages: Messages) -> Arrays:
    """The arrays of an answer, each checked to be what the model can have made.

    Args:
        form: As in `loadtests.wires.Wire`; not one of `is_facts`.
        body: The answer.
        model: Its facts give sizes.
        messages: The server's, for gRPC.

    Raises:
        WrongAnswer: It is not such an answer, or holds nothing.
    """
    try:
        found = _arrays(form, body, model, messages)
    except WrongAnswer:
        raise
    except (ValueError, KeyError, TypeError, EOFError, DecodeError) as error:
        raise WrongAnswer(f"{len(body)} bytes are no answer of the form {form}: {error}") from error
    if not found:
        raise WrongAnswer(f"an answer of the form {form} has neither pictures nor numbers")
    for name, array in found.items():
        if name == "image":
            check_images(array, model)
        else:
            check_rows(name, array, model)
    return found


def is_facts(form: str) -> bool:
    """Whether an answer is no array, but facts that never change."""
    return form == "facts" or form.endswith((".GetModelResponse", ".ModelMetadataResponse"))


def read_facts(form: str, body: bytes, messages: Messages) -> object:
    """Facts that can be compared, whatever the order of their fields.

    Raises:
        WrongAnswer: It is no such answer.
    """
    try:
        return json.loads(body) if form == "facts" else messages.read(form, body)
    except (ValueError, DecodeError) as error:
        raise WrongAnswer(f"{len(body)} bytes are no facts: {error}") from error


def _arrays(form: str, body: bytes, model: ModelFacts, messages: Messages) -> Arrays:
    if form == "png":
        return {"image": read_picture(body, model)[None]}
    if form == "json":
        return _from_json(body, model)
    if form == "npy":
        return _from_npy(body)
    if form == "tensors":
        return _from_tensors(body)
    message = messages.read(form, body)
    if form.endswith(".ModelInferResponse"):
        return _from_infer(message)
    return _from_latents(message, model)


def _from_json(body: bytes, model: ModelFacts) -> Arrays:
    document: dict[str, Any] = json.loads(body)
    named = {_ALIASES.get(name, name): value for name, value in document.items()}
    found: Arrays = {name: np.array(named[name], np.float64) for name in ROWS if name in named}
    if "images" in named:
        files = [base64.b64decode(text, validate=True) for text in named["images"]]
        found["image"] = _pictures(files, model)
    return found


def _from_npy(body: bytes) -> Arrays:
    array = np.load(io.BytesIO(body), allow_pickle=False)
    return {"image" if array.dtype == np.uint8 else "mean": array}


def _from_tensors(body: bytes) -> Arrays:
    # The head's length is in a header, but a JSON object also says itself where it ends.
    head, end = json.JSONDecoder().raw_decode(body.decode("latin-1"))
    found: Arrays = {}
    place = len(body) - sum(out["parameters"]["binary_data_size"] for out in head["outputs"])
    if place < end:
        raise WrongAnswer(f"the tensors lack {end - place} bytes")
    for out in head["outputs"]:
        size = out["parameters"]["binary_data_size"]
        content = body[place : place + size]
        place += size
        _take(found, out["name"], out["datatype"], out["shape"], content)
    return found


def _from_infer(answer: Any) -> Arrays:  # noqa: ANN401  (a message)
    found: Arrays = {}
    for out, content in zip(answer.outputs, answer.raw_output_contents, strict=True):
        _take(found, out.name, out.datatype, list(out.shape), content)
    return found


def _take(found: Arrays, name: str, datatype: str, shape: list[int], content: bytes) -> None:
    if name == "image" or name in ROWS:
        found[name] = np.frombuffer(content, _DTYPES[datatype]).reshape(shape)


def _from_latents(answer: Any, model: ModelFacts) -> Arrays:  # noqa: ANN401  (a message)
    present = {field.name: value for field, value in answer.ListFields()}
    found: Arrays = {
        _ALIASES.get(name, name): np.frombuffer(value.data, "<f4").reshape(
            value.rows, value.columns
        )
        for name, value in present.items()
        if _ALIASES.get(name, name) in ROWS
    }
    images = present.get("images")
    if images is not None and images.files:
        found["image"] = _pictures(list(images.files), model)
    elif images is not None:
        pixels = images.pixels
        found["image"] = np.frombuffer(pixels.data, np.uint8).reshape(list(pixels.shape))
    return found


def _pictures(files: list[bytes], model: ModelFacts) -> NDArray[np.uint8]:
    if not files:
        raise WrongAnswer("an answer without pictures")
    return np.stack([read_picture(file, model) for file in files])
