"""The models that the protocol shows, each a list of tensors read from the bundle's manifest.

manifest → encoder, decoder, sampler, shifter: inputs and outputs [name, datatype, shape]

Knows the manifest alone: neither arrays nor a transport.

1. Whatever graph tensors the manifest has are shown as they are: an encoder may have no logvar.
2. A bundle without attributes has no `shifter`, and its `sampler` takes no strengths.
"""

from __future__ import annotations

from dataclasses import dataclass
from difflib import get_close_matches
from typing import TYPE_CHECKING

import orjson

from bundle.manifest import TensorSpec
from inference.errors import InvalidRequest, ModelNotFound

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from bundle.manifest import Manifest

PLATFORM = "onnxruntime_onnx"
SERVER_NAME = "latentserve"
EXTENSIONS = ("binary_tensor_data",)
BATCH = -1
"""What a shape says where any number of items goes."""

_N = TensorSpec(name="n", datatype="INT64", shape=(1,))
_SEED = TensorSpec(name="seed", datatype="INT64", shape=(1,))
_TEMPERATURE = TensorSpec(name="temperature", datatype="FP32", shape=(1,))
_SHOWN_CHARACTERS = 60


@dataclass(frozen=True, slots=True)
class Model:
    """One model of the protocol.

    Attributes:
        name: As in a request's path.
        version: The bundle's; the only one.
        inputs: The tensors that it takes.
        outputs: The tensors that it gives.
        optional: Inputs that may be left out.
        parameters: Request parameters that mean something to it.
        attributes: The columns of ``strengths``.
    """

    name: str
    version: str
    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]
    optional: frozenset[str] = frozenset()
    parameters: frozenset[str] = frozenset()
    attributes: tuple[str, ...] = ()

    def input(self, name: str) -> TensorSpec:
        """The input called ``name``.

        Raises:
            InvalidRequest: There is none.
        """
        return self._tensor("input", self.inputs, name)

    def output(self, name: str) -> TensorSpec:
        """The output called ``name``.

        Raises:
            InvalidRequest: There is none.
        """
        return self._tensor("output", self.outputs, name)

    def metadata_parameters(self) -> dict[str, str]:
        """What metadata says beside the tensors: the order of the columns of ``strengths``."""
        if not self.attributes:
            return {}
        return {"attributes": orjson.dumps(self.attributes).decode()}

    def _tensor(self, kind: str, tensors: tuple[TensorSpec, ...], name: str) -> TensorSpec:
        for tensor in tensors:
            if tensor.name == name:
                return tensor
        known = ", ".join(tensor.name for tensor in tensors)
        raise InvalidRequest(
            f"model {self.name!r} has no {kind} {name[:_SHOWN_CHARACTERS]!r}; it has {known}"
        )


def catalogue(manifest: Manifest) -> dict[str, Model]:
    """All models of a bundle, by name."""
    graphs, version = manifest.graphs, manifest.version
    attributes = tuple(attribute.name for attribute in manifest.attributes)
    image, latent = graphs.encoder.inputs[0], graphs.decoder.inputs[0]
    strengths = TensorSpec(name="strengths", datatype="FP32", shape=(BATCH, len(attributes)))
    moves = (strengths,) if attributes else ()
    vectors = tuple(spec for spec in graphs.encoder.outputs if spec.name in {"mean", "logvar"})
    models = [
        Model("encoder", version, graphs.encoder.inputs[:1], vectors),
        Model("decoder", version, graphs.decoder.inputs, graphs.decoder.outputs),
        Model(
            "sampler",
            version,
            (_N, _SEED, _TEMPERATURE, *moves),
            (image, latent, _SEED),
            optional=frozenset({"seed", "temperature", "strengths"}),
            parameters=frozenset({"prior"}),
            attributes=attributes,
        ),
    ]
    if attributes:
        shifter = Model(
            "shifter", version, (image, strengths), (image, latent), attributes=attributes
        )
        models.append(shifter)
    return {model.name: model for model in models}


def find(models: Mapping[str, Model], name: str, version: str) -> Model:
    """The model ``name`` in ``version``; an empty version takes the one there is.

    Raises:
        ModelNotFound: No such model or version; the message lists those there are.
    """
    model = models.get(name)
    if model is None:
        shown = name[:_SHOWN_CHARACTERS]
        near = get_close_matches(shown, models, n=1)
        hint = f"did you mean {near[0]!r}? " if near else ""
        raise ModelNotFound(
            f"no model {shown!r} is served here; {hint}there are {_listed(models)}",
            details={"models": list(models)},
        )
    if version not in {"", model.version}:
        raise ModelNotFound(
            f"model {name!r} has no version {version[:_SHOWN_CHARACTERS]!r}; it is served in "
            f"version {model.version}, which is also taken when no version is named",
            details={"versions": [model.version]},
        )
    return model


def _listed(names: Iterable[str]) -> str:
    return ", ".join(names)
