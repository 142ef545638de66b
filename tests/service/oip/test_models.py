"""The models of the protocol are what the manifest says."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from inference.errors import InvalidRequest, ModelNotFound
from service.oip import models
from service.oip.models import catalogue, find
from service.oip.paths import is_v2, target, template
from tests.support.tiny_bundle import tiny_bundle_content

if TYPE_CHECKING:
    from bundle.manifest import TensorSpec

MANIFEST, _ = tiny_bundle_content()
MODELS = catalogue(MANIFEST)


def shapes(tensors: tuple[TensorSpec, ...]) -> dict[str, tuple[str, tuple[int, ...]]]:
    return {tensor.name: (tensor.datatype, tensor.shape) for tensor in tensors}


def test_the_four_models() -> None:
    assert list(MODELS) == ["encoder", "decoder", "sampler", "shifter"]
    image, vector = ("UINT8", (-1, 16, 16, 3)), ("FP32", (-1, 4))
    assert shapes(MODELS["encoder"].inputs) == {"image": image}
    assert shapes(MODELS["encoder"].outputs) == {"mean": vector, "logvar": vector}
    assert shapes(MODELS["decoder"].inputs) == {"latent": vector}
    assert shapes(MODELS["decoder"].outputs) == {"image": image}
    strengths = ("FP32", (-1, 2))
    assert shapes(MODELS["shifter"].inputs) == {"image": image, "strengths": strengths}
    assert shapes(MODELS["sampler"].inputs) == {
        "n": ("INT64", (1,)),
        "seed": ("INT64", (1,)),
        "temperature": ("FP32", (1,)),
        "strengths": strengths,
    }
    assert {model.version for model in MODELS.values()} == {"1"}
    assert MODELS["sampler"].metadata_parameters() == {"attributes": '["glasses","smile"]'}


def test_an_encoder_without_logvar_is_shown_as_it_is() -> None:
    encoder = MANIFEST.graphs.encoder
    graphs = MANIFEST.graphs.model_copy(
        update={"encoder": encoder.model_copy(update={"outputs": encoder.outputs[:1]})}
    )
    plain = catalogue(MANIFEST.model_copy(update={"graphs": graphs}))
    assert list(shapes(plain["encoder"].outputs)) == ["mean"]


def test_without_attributes_nothing_can_be_shifted() -> None:
    bare = catalogue(MANIFEST.model_copy(update={"attributes": ()}))
    assert list(bare) == ["encoder", "decoder", "sampler"]
    assert "strengths" not in shapes(bare["sampler"].inputs)
    assert bare["sampler"].metadata_parameters() == {}


def test_a_model_is_found_by_name_and_version() -> None:
    assert find(MODELS, "encoder", "") is find(MODELS, "encoder", "1") is MODELS["encoder"]
    with pytest.raises(ModelNotFound, match=r"did you mean 'encoder'.*decoder, sampler"):
        find(MODELS, "encodr", "")
    with pytest.raises(ModelNotFound, match=r"no version '2'; it is served in version 1"):
        find(MODELS, "encoder", "2")
    with pytest.raises(ModelNotFound) as caught:
        find(MODELS, "x" * 100_000, "")
    assert len(caught.value.message) < 300


def test_an_unknown_tensor_is_named_with_the_known_ones() -> None:
    assert MODELS["encoder"].input("image").datatype == "UINT8"
    with pytest.raises(InvalidRequest, match="no input 'picture'; it has image"):
        MODELS["encoder"].input("picture")
    with pytest.raises(InvalidRequest, match="no output 'x'; it has mean, logvar"):
        MODELS["encoder"].output("x")


@pytest.mark.parametrize(
    ("path", "row"),
    [
        ("/v2", "/v2"),
        ("/v2/health/ready", "/v2/health/ready"),
        ("/v2/models/a", "/v2/models/{model}"),
        ("/v2/models/a/infer", "/v2/models/{model}/infer"),
        ("/v2/models/a/versions/1", "/v2/models/{model}/versions/{version}"),
        ("/v2/models/a/versions/1/ready", "/v2/models/{model}/versions/{version}/ready"),
        ("/v2/models/", "/v2/models/"),
        ("/v2/models//infer", "/v2/models//infer"),
        ("/v2/models/a/b/c/d/e/f", "/v2/models/a/b/c/d/e/f"),
        ("/v1/encode", "/v1/encode"),
    ],
)
def test_the_row_of_a_path(path: str, row: str) -> None:
    assert template(path) == row


def test_the_target_of_a_path() -> None:
    assert target("/v2/models/a/infer") == ("a", "")
    assert target("/v2/models/a/versions/1/infer") == ("a", "1")
    assert target("/v2/models/a/versions/1") == ("a", "1")


def test_what_belongs_to_the_protocol() -> None:
    assert is_v2("/v2")
    assert is_v2("/v2/x")
    assert not is_v2("/v20")
    assert models.SERVER_NAME == "latentserve"
