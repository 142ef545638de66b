"""A bundle's graphs as a model, on the tiny bundle whose answers are known."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import onnx
import pytest

from bundle import open_bundle
from export.graph_model import GraphModel, unrounded
from tests.support.tiny_bundle import LATENTS_PER_UNIT, LOGVAR, banded_image, write_tiny_bundle

if TYPE_CHECKING:
    from pathlib import Path

LEVELS = [0, 51, 102, 255]


def test_images_become_latents_and_back(tmp_path: Path) -> None:
    model = GraphModel(open_bundle(write_tiny_bundle(tmp_path)))
    assert model.latent == 4
    images = np.stack([banded_image(LEVELS), banded_image(LEVELS[::-1])])
    mean, logvar = model.encode(images)
    expected = LATENTS_PER_UNIT * (np.array(LEVELS) / 255 - 0.5)
    assert mean == pytest.approx(np.stack([expected, expected[::-1]]), abs=1e-5)
    assert logvar is not None
    assert (logvar == LOGVAR).all()
    assert (model.decode(mean) == images).all()


@pytest.mark.parametrize("batch", [1, 3, 100])
def test_batches_change_nothing(tmp_path: Path, batch: int) -> None:
    bundle = open_bundle(write_tiny_bundle(tmp_path))
    latents = np.random.default_rng(0).standard_normal((7, 4), np.float32)
    whole = GraphModel(bundle).decode(latents)
    assert whole.shape == (7, 16, 16, 3)
    assert (GraphModel(bundle, batch=batch).decode(latents) == whole).all()


def test_no_rows_give_no_rows(tmp_path: Path) -> None:
    model = GraphModel(open_bundle(write_tiny_bundle(tmp_path)))
    assert model.decode(np.empty((0, 4), np.float32)).shape == (0, 16, 16, 3)
    assert model.encode(np.empty((0, 16, 16, 3), np.uint8))[0].shape == (0, 4)


def test_values_before_the_rounding(tmp_path: Path) -> None:
    model = GraphModel(open_bundle(write_tiny_bundle(tmp_path)))
    # 0.003 of a latent is a fifth of a grey level: rounded away, and seen here.
    latents = np.array([[0.0, 0.003, 5.0, -5.0]], np.float32)
    unit = model.decode_unit(latents)
    assert unit.dtype == np.float32
    bands = unit[0, ::4, 0, 0]
    assert bands == pytest.approx([0.5, 0.5 + 0.003 / 4, 1.0, 0.0], abs=1e-6)
    assert np.abs(unit * 255 - model.decode(latents)).max() <= 0.5 + 1e-4


def test_a_graph_that_rounds_nothing_stays_as_it_is(tmp_path: Path) -> None:
    decoder = open_bundle(write_tiny_bundle(tmp_path)).decoder
    without = unrounded(decoder)
    operators = [node.op_type for node in onnx.load_from_string(without).graph.node]
    assert "Round" not in operators
    assert unrounded(without) == without


def test_a_plain_autoencoder_says_no_logvar(tmp_path: Path) -> None:
    model = GraphModel(open_bundle(write_tiny_bundle(tmp_path, variational=False)))
    assert model.encode(banded_image(LEVELS)[None])[1] is None
