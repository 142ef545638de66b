"""The manifest: what it refuses, so that no server guesses."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from bundle.manifest import Manifest
from tests.support.tiny_bundle import tiny_bundle_content


def document(**changes: Any) -> dict[str, Any]:
    """The tiny bundle's manifest as JSON gives it, with values replaced by dotted path."""
    manifest: dict[str, Any] = tiny_bundle_content()[0].model_dump(mode="json")
    for path, value in changes.items():
        *parents, last = path.split("__")
        node: Any = manifest
        for key in parents:
            node = node[int(key) if key.isdigit() else key]
        node[int(last) if last.isdigit() else last] = value
    return manifest


def test_a_manifest_survives_json() -> None:
    manifest = tiny_bundle_content()[0]
    assert Manifest.model_validate_json(manifest.model_dump_json()) == manifest


def test_a_manifest_written_before_kinds_and_evaluation_is_read() -> None:
    old = document()
    del old["evaluation"]
    for attribute in old["attributes"]:
        del attribute["direction"], attribute["unseen"]
    manifest = Manifest.model_validate(old)
    assert manifest.evaluation == {}
    assert {(a.direction, a.unseen) for a in manifest.attributes} == {("ridge", "")}


def test_the_image_shape_is_height_width_channels() -> None:
    manifest = tiny_bundle_content(height=8, width=12, channels=1)[0]
    assert manifest.image.shape == (8, 12, 1)


@pytest.mark.parametrize(
    "changes",
    [
        {"schema_version": 2},
        {"later_field": 1},
        {"image__later_field": 1},
        {"image__channels": 2},
        {"image__height": 0},
        {"image__crop": "stretch"},
        {"name": "Faces 64"},
        {"name": "../faces"},
        {"version": "1.0-rc1"},
        {"version": "v1"},
        {"graphs__encoder__file": "../encoder.onnx"},
        {"graphs__encoder__file": ".encoder"},
        {"graphs__encoder__file": "encoder.onnx\n"},
        {"graphs__decoder__sha256": "0" * 63},
        {"directions__sha256": "G" * 64},
        {"attributes__0__row": -1},
        {"attributes__0__direction": "median"},
        {"evaluation": {"psnr": "high"}},
        {"created": "yesterday"},
    ],
    ids=str,
)
def test_what_it_does_not_know_is_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        Manifest.model_validate(document(**changes))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"graphs__encoder__inputs__0__shape": [-1, 16, 16, 1]}, "encoder input"),
        ({"graphs__encoder__inputs__0__datatype": "FP32"}, "encoder input"),
        ({"graphs__encoder__inputs": []}, "encoder input"),
        ({"graphs__encoder__outputs__0__shape": [-1, 5]}, "encoder output"),
        ({"graphs__decoder__inputs__0__name": "z"}, "decoder input"),
        ({"graphs__decoder__outputs__0__shape": [-1, 16, 17, 3]}, "decoder output"),
        ({"latent__dimension": 5}, "encoder output"),
        ({"attributes__1__row": 0}, "count up from 0"),
        ({"attributes__1__name": "glasses"}, "names repeat"),
    ],
    ids=str,
)
def test_parts_that_disagree_are_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        Manifest.model_validate(document(**changes))


def test_it_cannot_be_changed_once_read() -> None:
    manifest = tiny_bundle_content()[0]
    with pytest.raises(ValidationError):
        manifest.version = "2"
