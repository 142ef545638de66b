"""The protocol over gRPC: `inference.GRPCInferenceService`.

ModelInferRequest (raw or typed contents) → InferRequest → engine → ModelInferResponse (raw)

Translates messages; tensors and models are checked by their own modules, calls by the gate.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from inference.errors import InvalidRequest
from service import __version__
from service.grpc_gate import Streamed, Unary
from service.oip import models, tensors
from service.oip.infer import InferRequest, declared, infer
from service.proto.oip import open_inference_pb2 as pb

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from bundle.manifest import TensorSpec
    from inference.call import Call
    from inference.errors import ServingError
    from service.oip.models import Model
    from service.runtime import Runtime

    Arrays = dict[str, NDArray[Any]]

SERVICE = pb.DESCRIPTOR.services_by_name["GRPCInferenceService"]
_CONTENTS = {"UINT8": "uint_contents", "INT64": "int64_contents", "FP32": "fp32_contents"}
_SHOWN_CHARACTERS = 60


class OpenInference:
    """The service's methods for one worker."""

    def __init__(self, runtime: Runtime) -> None:
        """Serve the engine of ``runtime``."""
        self._runtime = runtime

    def methods(self) -> dict[str, Unary | Streamed]:
        """By name, for the gate."""
        return {
            "ServerLive": Unary(self.server_live, data=False),
            "ServerReady": Unary(self.server_ready, data=False),
            "ModelReady": Unary(self.model_ready, data=False),
            "ServerMetadata": Unary(self.server_metadata, data=False),
            "ModelMetadata": Unary(self.model_metadata, data=False),
            "ModelInfer": Unary(self.model_infer),
            "ModelStreamInfer": Streamed(self.model_infer, _wrap, _fail),
        }

    async def server_live(self, _: pb.ServerLiveRequest, call: Call) -> pb.ServerLiveResponse:  # noqa: ARG002  (a method's signature)
        """True while the process answers."""
        return pb.ServerLiveResponse(live=True)

    async def server_ready(self, _: pb.ServerReadyRequest, call: Call) -> pb.ServerReadyResponse:  # noqa: ARG002  (a method's signature)
        """Whether the worker takes requests."""
        return pb.ServerReadyResponse(ready=self._runtime.state == "ready")

    async def model_ready(self, asked: pb.ModelReadyRequest, call: Call) -> pb.ModelReadyResponse:  # noqa: ARG002  (a method's signature)
        """Whether the model takes requests."""
        self._model(asked.name, asked.version)
        return pb.ModelReadyResponse(ready=self._runtime.state == "ready")

    async def server_metadata(
        self,
        _: pb.ServerMetadataRequest,
        call: Call,  # noqa: ARG002  (a method's signature)
    ) -> pb.ServerMetadataResponse:
        """Name, version and extensions of this server; the extensions are those of HTTP."""
        return pb.ServerMetadataResponse(
            name=models.SERVER_NAME, version=__version__, extensions=models.EXTENSIONS
        )

    async def model_metadata(
        self,
        asked: pb.ModelMetadataRequest,
        call: Call,  # noqa: ARG002  (a method's signature)
    ) -> pb.ModelMetadataResponse:
        """The model's versions and tensors."""
        model = self._model(asked.name, asked.version)
        return pb.ModelMetadataResponse(
            name=model.name,
            versions=[model.version],
            platform=models.PLATFORM,
            inputs=[_described(spec, spec.name in model.optional) for spec in model.inputs],
            outputs=[_described(spec, optional=False) for spec in model.outputs],
            parameters={
                name: pb.InferParameter(string_param=text)
                for name, text in model.metadata_parameters().items()
            },
        )

    async def model_infer(self, asked: pb.ModelInferRequest, call: Call) -> pb.ModelInferResponse:
        """Input tensors → output tensors."""
        request = self._request(asked)
        outputs = await infer(self._runtime.engine, request, call)
        answer = pb.ModelInferResponse(
            model_name=request.model.name, model_version=request.model.version, id=request.id
        )
        for name, array in outputs.items():
            datatype = request.model.output(name).datatype
            answer.outputs.add(name=name, datatype=datatype, shape=array.shape)
            answer.raw_output_contents.append(tensors.to_bytes(array, datatype))
        return answer

    def _model(self, name: str, version: str) -> Model:
        manifest = self._runtime.engine.bundle.manifest
        return models.find(models.catalogue(manifest), name, version)

    def _request(self, asked: pb.ModelInferRequest) -> InferRequest:
        model = self._model(asked.model_name, asked.model_version)
        for output in asked.outputs:
            _check_no_parameters(output.parameters, f"output {output.name[:_SHOWN_CHARACTERS]!r}")
        return InferRequest(
            model,
            _inputs(model, asked, self._runtime.settings.max_items),
            asked.id,
            {name: _value(parameter) for name, parameter in asked.parameters.items()},
            tuple(output.name for output in asked.outputs),
        )


def _inputs(model: Model, asked: pb.ModelInferRequest, max_items: int) -> Arrays:
    raw = asked.raw_input_contents
    if raw and len(raw) != len(asked.inputs):
        raise InvalidRequest(
            f"raw_input_contents has {len(raw)} entries for {len(asked.inputs)} inputs; send one "
            "for each, in their order"
        )
    arrays: Arrays = {}
    for index, given in enumerate(asked.inputs):
        where = f"input {given.name[:_SHOWN_CHARACTERS]!r}"
        if given.name in arrays:
            raise InvalidRequest(f"{where} is given twice; give it once")
        tensor = declared(model, given.name, given.datatype, given.shape, max_items)
        _check_no_parameters(given.parameters, where)
        filled = [field.name for field, _ in given.contents.ListFields()]
        if raw and filled:
            raise InvalidRequest(
                f"{where} has contents while raw_input_contents is used; send one of them"
            )
        if raw:
            arrays[given.name] = tensors.from_bytes(tensor, raw[index])
            continue
        wanted = _CONTENTS[tensor.datatype]
        if filled != [wanted]:
            raise InvalidRequest(
                f"{where} has its contents in {', '.join(filled) or 'no field'}; send "
                f"{tensor.datatype} in {wanted}, or all inputs in raw_input_contents"
            )
        numbers = getattr(given.contents, wanted)
        arrays[given.name] = tensors.from_numbers(tensor, numbers, len(numbers))
    return arrays


def _check_no_parameters(parameters: Mapping[str, pb.InferParameter], where: str) -> None:
    for name in parameters:
        raise InvalidRequest(
            f"{where} has the parameter {name[:_SHOWN_CHARACTERS]!r}, which this server does not "
            "know; remove it"
        )


def _value(parameter: pb.InferParameter) -> object:
    choice = parameter.WhichOneof("parameter_choice")
    return None if choice is None else getattr(parameter, choice)


def _described(spec: TensorSpec, optional: bool) -> pb.ModelMetadataResponse.TensorMetadata:
    parameters = {"optional": pb.InferParameter(bool_param=True)} if optional else {}
    return pb.ModelMetadataResponse.TensorMetadata(
        name=spec.name, datatype=spec.datatype, shape=spec.shape, parameters=parameters
    )


def _wrap(answer: pb.ModelInferResponse) -> pb.ModelStreamInferResponse:
    return pb.ModelStreamInferResponse(infer_response=answer)


def _fail(asked: pb.ModelInferRequest | None, error: ServingError) -> pb.ModelStreamInferResponse:
    """The message as HTTP has it, after the slug; the answer's id tells whose failure it is."""
    number = "" if asked is None else asked.id
    return pb.ModelStreamInferResponse(
        error_message=f"{error.slug}: {error.message}",
        infer_response=pb.ModelInferResponse(id=number),
    )
