"""One inference of the protocol: named arrays in, engine, named arrays out.

InferRequest {input: array} → the model's operation of the engine → {output: array}

The one place where the protocol's models meet the engine; HTTP and gRPC both come here.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from inference.errors import InvalidRequest
from service.oip.tensors import Declared, check_declared

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Mapping

    from numpy.typing import NDArray

    from inference.call import Call
    from inference.engine import Engine
    from inference.sampling import PriorName
    from service.oip.models import Model

    Arrays = dict[str, NDArray[Any]]
    Operation = Callable[[Engine, "InferRequest", Call], Awaitable[Arrays]]

TIMEOUT = "timeout"
"""Microseconds that the request may take, as NVIDIA's clients send it."""
_TOLERATED = frozenset({"sequence_id", "sequence_start", "sequence_end", "priority", TIMEOUT})
_SHOWN_CHARACTERS = 60


@dataclass(frozen=True, slots=True)
class InferRequest:
    """What a client asks for, whatever the transport.

    Attributes:
        model: One of the catalogue.
        inputs: By name, each of the model's datatype and shape.
        id: Comes back in the answer; may be empty.
        parameters: Of the request.
        outputs: The outputs asked for, in that order; all if empty.
    """

    model: Model
    inputs: Mapping[str, NDArray[Any]]
    id: str = ""
    parameters: Mapping[str, object] = field(default_factory=dict)
    outputs: tuple[str, ...] = ()


def check_request(request: InferRequest) -> None:
    """Refuse a request that leaves something out or asks for something unknown.

    Raises:
        InvalidRequest: An input is missing, an output or a parameter is unknown.
    """
    model = request.model
    for spec in model.inputs:
        if spec.name not in request.inputs and spec.name not in model.optional:
            raise InvalidRequest(
                f"model {model.name!r} needs the input {spec.name!r}, {spec.datatype} "
                f"{list(spec.shape)}; add it"
            )
    for index, name in enumerate(request.outputs):
        model.output(name)
        if name in request.outputs[:index]:
            raise InvalidRequest(f"output {name!r} is asked for twice; ask for it once")
    for name in request.parameters:
        if name not in _TOLERATED | model.parameters and not name.startswith("triton_"):
            known = ", ".join(sorted(_TOLERATED | model.parameters))
            raise InvalidRequest(
                f"unknown parameter {name[:_SHOWN_CHARACTERS]!r}; model {model.name!r} knows "
                f"{known}; remove it"
            )


def declared(
    model: Model, name: str, datatype: str, shape: Iterable[int], max_items: int
) -> Declared:
    """What a request says of an input, checked against the model.

    Raises:
        InvalidRequest: The model has no such input, or the tensor is empty.
        ShapeMismatch: Another datatype or shape than the model's.
        TooManyItems: More than ``max_items``.
    """
    spec = model.input(name)
    tensor = Declared(name, datatype, tuple(shape))
    check_declared(tensor, spec, max_items)
    return tensor


async def infer(engine: Engine, request: InferRequest, call: Call) -> Arrays:
    """The outputs asked for, in their order.

    Raises:
        ServingError: Whatever the engine refuses.
    """
    check_request(request)
    _shorten_deadline(request, call)
    outputs = await _OPERATIONS[request.model.name](engine, request, call)
    names = request.outputs or tuple(spec.name for spec in request.model.outputs)
    return {name: outputs[name] for name in names}


async def _encode(engine: Engine, request: InferRequest, call: Call) -> Arrays:
    encoded = await engine.encode(request.inputs[_first(request)], call)
    given = {"mean": encoded.mean, "logvar": encoded.logvar}
    return {name: rows for name, rows in given.items() if rows is not None}


async def _decode(engine: Engine, request: InferRequest, call: Call) -> Arrays:
    images = await engine.decode(request.inputs[_first(request)], call)
    return {request.model.outputs[0].name: images}


async def _sample(engine: Engine, request: InferRequest, call: Call) -> Arrays:
    inputs = request.inputs
    seed, temperature = inputs.get("seed"), inputs.get("temperature")
    sampled = await engine.sample(
        int(inputs["n"][0]),
        call,
        seed=None if seed is None else int(seed[0]),
        temperature=1.0 if temperature is None else float(temperature[0]),
        prior=cast("PriorName", request.parameters.get("prior", "fitted")),
        strengths=inputs.get("strengths"),
    )
    seeds = np.array([sampled.seed], np.int64)
    return {"image": sampled.images, "latent": sampled.latents, "seed": seeds}


async def _shift(engine: Engine, request: InferRequest, call: Call) -> Arrays:
    inputs = request.inputs
    shifted = await engine.shift(call, images=inputs["image"], strengths=inputs["strengths"])
    return {"image": shifted.images, "latent": shifted.latents}


def _first(request: InferRequest) -> str:
    return request.model.inputs[0].name


def _shorten_deadline(request: InferRequest, call: Call) -> None:
    timeout = request.parameters.get(TIMEOUT)
    if timeout is None:
        return
    if isinstance(timeout, bool) or not isinstance(timeout, int) or timeout <= 0:
        raise InvalidRequest(
            f"parameter 'timeout' is {str(timeout)[:_SHOWN_CHARACTERS]!r}, but must be a whole "
            "number of microseconds above 0; correct or drop it"
        )
    end = time.monotonic() + min(timeout, 1 << 50) / 1e6
    call.deadline = end if call.deadline is None else min(call.deadline, end)


_OPERATIONS: dict[str, Operation] = {
    "encoder": _encode,
    "decoder": _decode,
    "sampler": _sample,
    "shifter": _shift,
}
