"""Questions as each protocol writes them.

Question → Wire(method, path, headers, body, form of the answer)

protocol   | one picture          | many                | latents
http       | raw body, multipart  | npy                 | JSON, npy
oip-http   | binary tensors behind a JSON head
grpc       | files                | pixels              | matrix
oip-grpc   | raw_input_contents
"""

from __future__ import annotations

import base64
import io
import json
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from numpy.typing import NDArray

    from loadtests.checks import ModelFacts
    from loadtests.messages import Messages
    from loadtests.mixes import Protocol
    from loadtests.questions import Question

NPY = "application/x-npy"
LATENTS, OIP = "latentserve.v1", "inference"
SERVICES: dict[str, str] = {
    "grpc": f"{LATENTS}.Latents",
    "oip-grpc": f"{OIP}.GRPCInferenceService",
}
_JSON = {"Content-Type": "application/json"}
_BOUNDARY = "latentserve-load-test"
_PNG = b"\x89PNG"
_OIP_MODELS = {"encode": "encoder", "decode": "decoder", "sample": "sampler", "shift": "shifter"}
_DATATYPES = {"uint8": "UINT8", "float32": "FP32", "int64": "INT64"}


class Wire(NamedTuple):
    """What goes over the wire.

    Attributes:
        method: Of HTTP; empty for gRPC.
        path: Of HTTP, or of the gRPC method.
        headers: Beside those of the API key.
        body: Or the serialised message.
        form: How the answer is read: ``json``, ``png``, ``npy``, ``facts``, ``tensors``, or the
            name of its message.
    """

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes
    form: str


def as_json(question: Question) -> Wire:
    """Everything in JSON, both ways: the plainest form, which all others are held against."""
    document: dict[str, Any] = dict(question.parameters)
    if question.files:
        document["images"] = [base64.b64encode(file).decode() for file in question.files]
    if question.latents is not None:
        document["latents"] = question.latents.tolist()
    headers = {**_JSON, "Accept": "application/json"}
    return Wire("POST", f"/v1/{question.route}", headers, json.dumps(document).encode(), "json")


def over_http(question: Question, operation: str) -> Wire:
    """The form of ``/v1`` that a client would choose for ``operation``."""
    if operation in {"model", "attributes"}:
        return Wire("GET", f"/v1/{operation}", {}, b"", "facts")
    plain = as_json(question)
    if question.files and not operation.endswith(("-json", "-bulk")):
        return _one_file(question, plain)
    if operation == "encode-json":
        return plain
    if operation.endswith("-bulk"):
        array = io.BytesIO()
        many: NDArray[Any] | None = question.latents
        np.save(array, np.asarray(question.pixels if many is None else many))
        return plain._replace(
            headers={"Content-Type": NPY, "Accept": NPY}, body=array.getvalue(), form="npy"
        )
    if operation == "interpolate":
        return plain._replace(headers={**_JSON, "Accept": NPY}, form="npy")
    return plain._replace(headers=_JSON, form="png")


def over_oip_http(question: Question, model: ModelFacts) -> Wire:
    """``/v2`` with the binary tensor extension, both ways."""
    if question.route == "model":
        return Wire("GET", "/v2/models/encoder", {}, b"", "facts")
    tensors = _tensors(question, model)
    described = [
        {
            "name": name,
            "datatype": _DATATYPES[array.dtype.name],
            "shape": array.shape,
            "parameters": {"binary_data_size": array.nbytes},
        }
        for name, array in tensors.items()
    ]
    head = json.dumps({"inputs": described, "parameters": {"binary_data_output": True}}).encode()
    headers = {
        "Content-Type": "application/octet-stream",
        "Inference-Header-Content-Length": str(len(head)),
    }
    body = b"".join([head, *(array.tobytes() for array in tensors.values())])
    path = f"/v2/models/{_OIP_MODELS[question.route]}/infer"
    return Wire("POST", path, headers, body, "tensors")


def over_grpc(question: Question, messages: Messages) -> Wire:
    """``latentserve.v1``: one picture as a file and a PNG back, many as arrays both ways."""

    def new(name: str, /, **fields: Any) -> Any:  # noqa: ANN401  (a message)
        return messages.new(f"{LATENTS}.{name}", **fields)

    fields: dict[str, Any] = dict(question.parameters)
    many = len(question.files) > 1 or question.route == "interpolate"
    if question.files and many and question.pixels is not None:
        pixels = new("Pixels", shape=question.pixels.shape, data=question.pixels.tobytes())
        fields["images"] = new("Images", pixels=pixels)
    elif question.files:
        fields["images"] = new("Images", files=question.files)
    if question.latents is not None:
        rows, columns = question.latents.shape
        many = many or rows > 1
        data = question.latents.astype("<f4").tobytes()
        fields["latents"] = new("Matrix", rows=rows, columns=columns, data=data)
    if many and question.route != "encode":
        fields["format"] = "IMAGE_FORMAT_PIXELS"
    name = {"model": "GetModel"}.get(question.route, question.route.capitalize())
    answers = {"Encode": "EncodeResponse", "Sample": "SampleResponse"}
    answers["GetModel"] = "GetModelResponse"
    request = new(f"{name}Request", **fields)
    return Wire(
        "",
        f"/{SERVICES['grpc']}/{name}",
        {},
        request.SerializeToString(),
        f"{LATENTS}.{answers.get(name, 'ImagesResponse')}",
    )


def over_oip_grpc(question: Question, messages: Messages, model: ModelFacts) -> Wire:
    """``ModelInfer`` with raw contents."""
    service = f"/{SERVICES['oip-grpc']}"
    if question.route == "model":
        request = messages.new(f"{OIP}.ModelMetadataRequest", name="encoder")
        form = f"{OIP}.ModelMetadataResponse"
        return Wire("", f"{service}/ModelMetadata", {}, request.SerializeToString(), form)
    tensors = _tensors(question, model)
    inputs = [
        messages.new(
            f"{OIP}.ModelInferRequest.InferInputTensor",
            name=name,
            datatype=_DATATYPES[array.dtype.name],
            shape=array.shape,
        )
        for name, array in tensors.items()
    ]
    request = messages.new(
        f"{OIP}.ModelInferRequest",
        model_name=_OIP_MODELS[question.route],
        inputs=inputs,
        raw_input_contents=[array.tobytes() for array in tensors.values()],
    )
    form = f"{OIP}.ModelInferResponse"
    return Wire("", f"{service}/ModelInfer", {}, request.SerializeToString(), form)


def write(
    protocol: Protocol, operation: str, question: Question, model: ModelFacts, messages: Messages
) -> Wire:
    """``question`` in ``protocol``."""
    writers: dict[Protocol, Callable[[], Wire]] = {
        "http": lambda: over_http(question, operation),
        "oip-http": lambda: over_oip_http(question, model),
        "grpc": lambda: over_grpc(question, messages),
        "oip-grpc": lambda: over_oip_grpc(question, messages, model),
    }
    return writers[protocol]()


def _one_file(question: Question, plain: Wire) -> Wire:
    """The picture as the body itself, or in a form where parameters go with it."""
    (file,) = question.files
    media_type = "image/png" if file.startswith(_PNG) else "image/jpeg"
    if question.route == "shift":
        headers, body = _form(file, media_type, json.dumps(question.parameters["attributes"]))
        return plain._replace(headers=headers, body=body, form="png")
    form = "json" if question.route == "encode" else "png"
    return plain._replace(headers={"Content-Type": media_type}, body=file, form=form)


def _tensors(question: Question, model: ModelFacts) -> dict[str, NDArray[Any]]:
    """The model's inputs by name, little-endian."""
    if question.route == "sample":
        return {name: np.array([question.parameters[name]], "<i8") for name in ("n", "seed")}
    if question.latents is not None:
        return {"latent": question.latents.astype("<f4")}
    tensors: dict[str, NDArray[Any]] = {}
    if question.pixels is not None:
        tensors["image"] = question.pixels
    if question.route == "shift":
        wanted = question.parameters["attributes"]
        row = [wanted.get(name, 0.0) for name in model.attributes]
        tensors["strengths"] = np.array([row], "<f4")
    return tensors


def _form(picture: bytes, media_type: str, attributes: str) -> tuple[dict[str, str], bytes]:
    """The body that ``curl -F image=@face.png -F 'attributes=…'`` sends."""
    lines = (
        f"--{_BOUNDARY}\r\n"
        'Content-Disposition: form-data; name="image"; filename="image"\r\n'
        f"Content-Type: {media_type}\r\n\r\n"
    ).encode()
    rest = (
        f"\r\n--{_BOUNDARY}\r\n"
        'Content-Disposition: form-data; name="attributes"\r\n\r\n'
        f"{attributes}\r\n--{_BOUNDARY}--\r\n"
    ).encode()
    headers = {"Content-Type": f"multipart/form-data; boundary={_BOUNDARY}"}
    return headers, lines + picture + rest
