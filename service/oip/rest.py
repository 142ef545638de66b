"""The protocol over HTTP: requests under /v2 as JSON, with tensors in it or as bytes behind it.

body → JSON head (Inference-Header-Content-Length) + raw tensors → InferRequest → engine
     → JSON head + raw tensors, each output as the client asked for it

Knows the two forms of a body; tensors and models are checked by their own modules.

1. Every byte behind the head belongs to an input that says so; none is left over.
2. No more JSON lists are made than the model's largest request can need.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

from inference.errors import InvalidRequest, TooManyItems, UnsupportedMediaType
from service import __version__
from service.inputs import parse_json
from service.oip import models, tensors
from service.oip.infer import InferRequest, declared, infer
from service.oip.models import EXTENSIONS, SERVER_NAME
from service.oip.paths import target
from service.pages import check_ready
from service.rendering import json_bytes
from service.wire import JSON, Reply

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from numpy.typing import NDArray

    from inference.call import Call
    from service.oip.models import Model
    from service.routes import Route
    from service.runtime import Runtime
    from service.wire import Request

    Arrays = dict[str, NDArray[Any]]

T = TypeVar("T")
BINARY = "application/octet-stream"
HEADER_LENGTH = "Inference-Header-Content-Length"
_PARSED_AT_ONCE_BYTES = 32 << 10
"""A larger body is parsed, a larger answer written, in a codec thread."""
_SPARE_BRACKETS = 1024
_MAX_DIGITS = 18
_SHOWN_CHARACTERS = 60


@dataclass(frozen=True, slots=True)
class Asked:
    """One request's body, read.

    Attributes:
        request: What is asked of the model.
        binary: Whether outputs go behind the head, where an output does not say.
        by_output: Outputs that do say.
    """

    request: InferRequest
    binary: bool
    by_output: Mapping[str, bool]

    def is_binary(self, output: str) -> bool:
        """Whether ``output`` goes behind the head."""
        return self.by_output.get(output, self.binary)


async def server_live(runtime: Runtime, request: Request, route: Route) -> Reply:  # noqa: ARG001  (a handler's signature)
    """200 while the process answers."""
    return Reply(json_bytes({"live": True}))


async def server_ready(runtime: Runtime, request: Request, route: Route) -> Reply:  # noqa: ARG001  (a handler's signature)
    """200 while the worker takes requests."""
    check_ready(runtime)
    return Reply(json_bytes({"ready": True}))


async def server_metadata(runtime: Runtime, request: Request, route: Route) -> Reply:  # noqa: ARG001  (a handler's signature)
    """Name, version and extensions of this server."""
    facts = {"name": SERVER_NAME, "version": __version__, "extensions": list(EXTENSIONS)}
    return Reply(json_bytes(facts))


async def model_ready(runtime: Runtime, request: Request, route: Route) -> Reply:  # noqa: ARG001  (a handler's signature)
    """200 while the model takes requests."""
    model = _model(runtime, request)
    check_ready(runtime)
    return Reply(json_bytes({"name": model.name, "ready": True}))


async def model_metadata(runtime: Runtime, request: Request, route: Route) -> Reply:  # noqa: ARG001  (a handler's signature)
    """The model's versions and tensors."""
    model = _model(runtime, request)
    described = {
        kind: [
            {
                **spec.model_dump(),
                **({"parameters": {"optional": True}} if spec.name in optional else {}),
            }
            for spec in specs
        ]
        for kind, specs, optional in (
            ("inputs", model.inputs, model.optional),
            ("outputs", model.outputs, frozenset[str]()),
        )
    }
    facts = {
        "name": model.name,
        "versions": [model.version],
        "platform": models.PLATFORM,
        **described,
        "parameters": model.metadata_parameters(),
    }
    return Reply(json_bytes(facts))


async def model_infer(runtime: Runtime, request: Request, route: Route) -> Reply:  # noqa: ARG001  (a handler's signature)
    """Input tensors → output tensors."""
    model = _model(runtime, request)
    read = partial(
        read_body,
        model,
        request.body,
        _header_length(request.headers, len(request.body)),
        runtime.settings.max_items,
    )
    asked = await _off_loop(runtime, request.call, len(request.body), read)
    outputs = await infer(runtime.engine, asked.request, request.call)
    write = partial(write_body, asked, outputs)
    size = sum(array.nbytes for name, array in outputs.items() if not asked.is_binary(name))
    body, head_bytes = await _off_loop(runtime, request.call, size, write)
    if head_bytes == len(body):
        return Reply(body, JSON)
    return Reply(body, BINARY, headers={HEADER_LENGTH: str(head_bytes)})


def read_body(model: Model, body: bytes, head_bytes: int, max_items: int) -> Asked:
    """The request in a body.

    Args:
        model: Whose tensors they are.
        body: JSON, and raw tensors behind it.
        head_bytes: Bytes of the JSON.
        max_items: The most items of one tensor.

    Raises:
        InvalidRequest: Not such a body, or it does not fit the model.
        ShapeMismatch: A tensor of another datatype or shape.
        TooManyItems: More than ``max_items``.
    """
    head = body[:head_bytes]
    _check_brackets(model, head, max_items)
    document = parse_json(head)
    parameters = dict(_field(document, "parameters", dict, "the request", default={}))
    binary = _field(
        parameters, "binary_data_output", bool, "the request's parameters", default=False
    )
    parameters.pop("binary_data_output", None)
    outputs, by_output = _outputs(document)
    inputs = _inputs(model, document, memoryview(body)[head_bytes:], max_items)
    request = InferRequest(
        model, inputs, _field(document, "id", str, "the request", default=""), parameters, outputs
    )
    return Asked(request, binary, by_output)


def write_body(asked: Asked, outputs: Arrays) -> tuple[bytes, int]:
    """The answer, and how many of its bytes are the JSON head."""
    described: list[dict[str, Any]] = []
    behind: list[bytes] = []
    for name, array in outputs.items():
        datatype = asked.request.model.output(name).datatype
        entry: dict[str, Any] = {"name": name, "datatype": datatype, "shape": array.shape}
        if asked.is_binary(name):
            raw = tensors.to_bytes(array, datatype)
            entry["parameters"] = {"binary_data_size": len(raw)}
            behind.append(raw)
        else:
            entry["data"] = array.reshape(-1)
        described.append(entry)
    model = asked.request.model
    head = json_bytes(
        {
            "model_name": model.name,
            "model_version": model.version,
            **({"id": asked.request.id} if asked.request.id else {}),
            "outputs": described,
        }
    )
    return b"".join([head, *behind]), len(head)


async def _off_loop(runtime: Runtime, call: Call, size: int, function: Callable[[], T]) -> T:
    if size <= _PARSED_AT_ONCE_BYTES:
        return function()
    if not call.compute_s:
        runtime.engine.check_codec_room(call)
    return await runtime.engine.codec(call, function)


def _model(runtime: Runtime, request: Request) -> Model:
    name, version = target(request.path)
    return models.find(models.catalogue(runtime.engine.bundle.manifest), name, version)


def _header_length(headers: Mapping[bytes, bytes], size: int) -> int:
    encoding = headers.get(b"content-encoding", b"identity").strip().lower()
    if encoding not in {b"", b"identity"}:
        raise UnsupportedMediaType(
            f"Content-Encoding is {encoding[:_SHOWN_CHARACTERS].decode('latin-1')!r}, but bodies "
            "are read as they are; send it uncompressed"
        )
    sent = headers.get(HEADER_LENGTH.lower().encode())
    if sent is None:
        return size
    if not (sent.isdigit() and len(sent) <= _MAX_DIGITS and int(sent) <= size):
        raise InvalidRequest(
            f"{HEADER_LENGTH} is {sent[:_SHOWN_CHARACTERS].decode('latin-1')!r}, but must be the "
            f"number of bytes of the JSON at the body's start, at most its {size} bytes"
        )
    return int(sent)


def _check_brackets(model: Model, head: bytes, max_items: int) -> None:
    # An empty list is two bytes here and fifty in memory. A bracket within a text counts too, so
    # there is room for some.
    limit = _SPARE_BRACKETS + sum(tensors.brackets(spec, max_items) for spec in model.inputs)
    found = head.count(b"[") + head.count(b"{")
    if found > limit:
        raise TooManyItems(
            f"the request has {found} lists and objects in its JSON, the limit is {limit}; send "
            "data as flat lists or as binary tensors, or ask the operator to raise `max_items`",
            details={"limit": limit},
        )


def _inputs(
    model: Model, document: Mapping[str, Any], behind: memoryview, max_items: int
) -> Arrays:
    arrays: Arrays = {}
    for entry in _entries(document, "inputs"):
        name = _field(entry, "name", str, "an input")
        where = f"input {name[:_SHOWN_CHARACTERS]!r}"
        if name in arrays:
            raise InvalidRequest(f"{where} is given twice; give it once")
        datatype = _field(entry, "datatype", str, where)
        tensor = declared(model, name, datatype, _shape(entry, where), max_items)
        parameters = _field(entry, "parameters", dict, where, default={})
        _check_known(parameters, "binary_data_size", where)
        size = _field(parameters, "binary_data_size", int, where, default=-1)
        if ("binary_data_size" in parameters) == ("data" in entry):
            raise InvalidRequest(
                f"{where} must have either 'data' or the parameter 'binary_data_size'; give one"
            )
        if "data" in entry:
            arrays[name] = tensors.from_lists(tensor, entry["data"])
            continue
        if not 0 <= size <= len(behind):
            raise InvalidRequest(
                f"{where} has binary_data_size {str(size)[:_SHOWN_CHARACTERS]}, but {len(behind)} "
                f"bytes are left behind the JSON; check {HEADER_LENGTH} and the sizes"
            )
        arrays[name] = tensors.from_bytes(tensor, behind[:size])
        behind = behind[size:]
    if behind:
        raise InvalidRequest(
            f"{len(behind)} bytes behind the JSON belong to no input; give each binary input its "
            "binary_data_size"
        )
    return arrays


def _outputs(document: Mapping[str, Any]) -> tuple[tuple[str, ...], dict[str, bool]]:
    names: list[str] = []
    by_output: dict[str, bool] = {}
    for entry in _entries(document, "outputs") if "outputs" in document else ():
        name = _field(entry, "name", str, "an output")
        where = f"output {name[:_SHOWN_CHARACTERS]!r}"
        parameters = _field(entry, "parameters", dict, where, default={})
        _check_known(parameters, "binary_data", where)
        if "binary_data" in parameters:
            by_output[name] = _field(parameters, "binary_data", bool, where, default=False)
        names.append(name)
    return tuple(names), by_output


def _entries(document: Mapping[str, Any], key: str) -> list[dict[str, Any]]:
    entries = _field(document, key, list, "the request")
    for entry in entries:
        if not isinstance(entry, dict):
            raise InvalidRequest(
                f"{key} holds a JSON {type(entry).__name__}, but must be a list of objects"
            )
    return entries


def _shape(entry: Mapping[str, Any], where: str) -> list[int]:
    shape = _field(entry, "shape", list, where)
    if not set(map(type, shape)) <= {int}:
        raise InvalidRequest(f"the shape of {where} must be a list of whole numbers")
    return shape


def _check_known(parameters: Mapping[str, Any], known: str, where: str) -> None:
    for name in parameters:
        if name != known:
            raise InvalidRequest(
                f"{where} has the parameter {name[:_SHOWN_CHARACTERS]!r}, which this server does "
                f"not know (it knows {known}); remove it"
            )


def _field(
    document: Mapping[str, Any], key: str, kind: type[T], where: str, *, default: T | None = None
) -> T:
    """``document[key]``, of ``kind``; an absent one is ``default``, if that is not None."""
    if key not in document and default is not None:
        return default
    value = document.get(key)
    if type(value) is not kind:
        found = "missing" if key not in document else f"a JSON {type(value).__name__}"
        raise InvalidRequest(
            f"field {key!r} of {where} is {found}, but must be a JSON {kind.__name__}; correct it"
        )
    return value
