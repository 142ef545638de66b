"""Answers that look right and are not: what a server would send that mixes up its rows.

example, its right answer → the same with pictures eight grey levels off, means one off, other facts
"""

from __future__ import annotations

import base64
import io
import json
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from loadtests.answers import is_facts

if TYPE_CHECKING:
    from loadtests.examples import Example
    from loadtests.messages import Messages


def tamper(example: Example, messages: Messages) -> bytes:
    """Another right-looking answer: pictures eight levels off, means one off, other facts."""
    form, body = example.form, example.alone
    if form == "png":
        return _png(body)
    if form == "npy":
        buffer = io.BytesIO()
        np.save(buffer, _moved(np.load(io.BytesIO(body))))
        return buffer.getvalue()
    if form in {"json", "facts"}:
        return json.dumps(_document(json.loads(body))).encode()
    if form == "tensors":
        return _tensors(body)
    message = messages.read(form, body)
    if form.endswith("ModelInferResponse"):
        out = message.outputs[0]
        dtype = {"UINT8": np.uint8, "FP32": "<f4"}[out.datatype]
        array = np.frombuffer(message.raw_output_contents[0], dtype)
        message.raw_output_contents[0] = _moved(array).tobytes()
    elif is_facts(form):
        message.name += "x"
    elif message.DESCRIPTOR.name == "EncodeResponse":
        message.mean.data = _moved(np.frombuffer(message.mean.data, "<f4")).tobytes()
    elif message.images.files:
        message.images.files[0] = _png(message.images.files[0])
    else:
        pixels = np.frombuffer(message.images.pixels.data, np.uint8)
        message.images.pixels.data = _moved(pixels).tobytes()
    return bytes(message.SerializeToString())


def _moved(array: Any) -> Any:
    return array ^ np.uint8(8) if array.dtype == np.uint8 else array + array.dtype.type(1)


def _png(body: bytes) -> bytes:
    with Image.open(io.BytesIO(body)) as image:
        pixels = _moved(np.asarray(image))
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG")
    return buffer.getvalue()


def _document(document: dict[str, Any]) -> dict[str, Any]:
    if "mean" in document:
        return {**document, "mean": (np.array(document["mean"]) + 1).tolist()}
    if "images" in document:
        files = [_png(base64.b64decode(text)) for text in document["images"]]
        return {**document, "images": [base64.b64encode(file).decode() for file in files]}
    return {**document, "name": "another"}


def _tensors(body: bytes) -> bytes:
    head, _ = json.JSONDecoder().raw_decode(body.decode("latin-1"))
    sizes = [out["parameters"]["binary_data_size"] for out in head["outputs"]]
    begin = len(body) - sum(sizes)
    dtype = {"UINT8": np.uint8, "FP32": "<f4"}[head["outputs"][0]["datatype"]]
    array = np.frombuffer(body[begin : begin + sizes[0]], dtype)
    return body[:begin] + _moved(array).tobytes() + body[begin + sizes[0] :]
