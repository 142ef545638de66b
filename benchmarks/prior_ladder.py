"""What a fitted prior buys: distance of samples from real images, one prior beside the other.

run, its data → means → N(0, I), one Gaussian, mixtures of K → decoder → Fréchet distance

The distance is that of two Gaussians fitted to the averaged last maps of a judge that learnt the
attributes from real training images (FD-judge; no figure of another paper compares with it).
The floor is the distance between two halves of the test images; reconstructions are what no prior
can pass.

    python benchmarks/prior_ladder.py --run runs/faces-64 --count 3000
"""

from __future__ import annotations

import argparse
import platform
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from scipy.linalg import sqrtm

from bundle import Prior
from export.exporter import MAX_MEANS
from export.figures import encoder_means
from export.prior import fit_prior
from export.quality import reporting_judge
from training.batches import ordered_loader, to_unit
from training.data import Split, load
from training.run import load_network

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from torch import Tensor

    from training.judge import Judge

COMPONENTS = (1, 10, 40)
BATCH = 250


def main() -> int:
    """Measure, print and write the table."""
    parser = argparse.ArgumentParser(description="compare priors by the samples they give")
    parser.add_argument("--run", type=Path, default=Path("runs/faces-64"))
    parser.add_argument("--count", type=int, default=3000, help="samples of each prior")
    parser.add_argument("--judge-steps", type=int, default=400)
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results"))
    args = parser.parse_args()
    config, module = load_network(args.run)
    network = module.network
    data = load(Path(config.data), config.preset.image, limit=config.limit)
    training, test = data.part(Split.TRAIN), data.part(Split.TEST)
    judge = reporting_judge(training, seed=1000, steps=args.judge_steps)
    with torch.no_grad():
        images = torch.cat([to_unit(pixels) for pixels, _ in ordered_loader(test, BATCH)])
        rebuilt = torch.cat(
            [network.decoder(network.encoder(part).mean) for part in images.split(BATCH)]
        )
        real = _features(judge, images)
        rows = [
            ("one half of the test images from the other: the floor", _distance(*_halves(real))),
            ("reconstructions: what no prior can pass", _distance(_features(judge, rebuilt), real)),
        ]
        means = encoder_means(network, training, MAX_MEANS)
        priors = [("N(0, I)", Prior.standard_normal(config.preset.latent))]
        priors += [
            (
                f"{count} fitted Gaussian{'s' * (count > 1)}",
                fit_prior(means, seed=0, components=count),
            )
            for count in COMPONENTS
        ]
        for name, prior in priors:
            rng = np.random.default_rng(1)
            latents = prior.sample(
                rng.random(args.count),
                rng.standard_normal((args.count, prior.dimension), np.float32),
            )
            parts = torch.from_numpy(latents).split(BATCH)
            samples = torch.cat([network.decoder(part) for part in parts])
            rows.append((f"samples, {name}", _distance(_features(judge, samples), real)))
    text = "\n".join(
        [
            f"# Priors of {config.preset.name}\n",
            f"{datetime.now(UTC):%Y-%m-%d}, {platform.machine()}, {len(test)} test images of "
            f"`{data.name}`, {args.count} samples of each prior; "
            f"`python benchmarks/prior_ladder.py --run {args.run} --count {args.count} "
            f"--judge-steps {args.judge_steps}`\n",
            "| images | FD-judge |\n|---|---:|",
            *(f"| {name} | {value:.4f} |" for name, value in rows),
            "",
        ]
    )
    print(text)
    args.out.mkdir(parents=True, exist_ok=True)
    (args.out / "prior_ladder.md").write_text(text, encoding="utf-8")
    return 0


def _features(judge: Judge, images: Tensor) -> NDArray[np.float64]:
    maps = [judge.features(part)[-1].mean(dim=(2, 3)) for part in images.split(BATCH)]
    return torch.cat(maps).double().numpy()


def _halves(
    features: NDArray[np.float64],
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    order = np.random.default_rng(0).permutation(len(features))
    return features[order[::2]], features[order[1::2]]


def _distance(one: NDArray[np.float64], other: NDArray[np.float64]) -> float:
    """|m1 - m2|² + tr(S1 + S2 - 2 (S1 S2)^½) (Dowson and Landau 1982)."""
    first, second = np.cov(one, rowvar=False), np.cov(other, rowvar=False)
    root = sqrtm(first @ second).real
    moved = ((one.mean(axis=0) - other.mean(axis=0)) ** 2).sum()
    return float(moved + np.trace(first + second - 2 * root))


if __name__ == "__main__":
    raise SystemExit(main())
