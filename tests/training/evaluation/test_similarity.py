from __future__ import annotations

import numpy as np
import pytest
import torch
from torchmetrics.functional.image import structural_similarity_index_measure

from training.evaluation.similarity import MAX_PSNR, psnr, ssim

RNG = np.random.default_rng(0)
IMAGES = RNG.integers(0, 256, (4, 24, 20, 3)).astype(np.uint8)
NOISY = (IMAGES + RNG.normal(0, 40, IMAGES.shape)).clip(0, 255).astype(np.uint8)


def test_ssim_is_that_of_another_implementation() -> None:
    first, second = (
        torch.from_numpy(images).permute(0, 3, 1, 2).float() / 255 for images in (IMAGES, NOISY)
    )
    _, places = structural_similarity_index_measure(
        first, second, data_range=1.0, reduction="none", sigma=1.5, return_full_image=True
    )
    # That one counts places where the window leaves the image; here only whole windows count.
    wanted = places[..., 5:-5, 5:-5].mean(dim=(1, 2, 3))
    np.testing.assert_allclose(ssim(IMAGES, NOISY), np.asarray(wanted), atol=1e-4)
    np.testing.assert_allclose(ssim(IMAGES, IMAGES), 1, atol=1e-6)


def test_psnr_is_of_each_image_and_has_a_ceiling() -> None:
    off = IMAGES // 2
    moved = off.copy()
    moved[1] += 10
    found = psnr(off, moved)
    assert found[1] == pytest.approx(20 * np.log10(25.5))
    assert found[[0, 2, 3]].tolist() == [MAX_PSNR] * 3
