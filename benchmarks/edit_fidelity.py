"""How true a shift is: against the drawing of the same face with that one attribute changed.

new drawn faces → engine: encode, ± direction, decode → compared with the true counterfactual

For drawn faces the right answer of every edit is known, pixel by pixel. The faces come from a
seed that no training set has. Printed and written, for each attribute:

  rebuilt    PSNR of the reconstruction against the face itself: no edit can be better than this
  edited     PSNR of the shifted image against the true counterfactual
  unedited   PSNR of the reconstruction against that counterfactual: doing nothing
  survives   size of the true change after both are reconstructed, relative to the drawing's own
  progress   share of that change which strength ±1 brings (its projection; 1 is all of it)

    python benchmarks/edit_fidelity.py --bundle models/faces-64 --count 200
"""

from __future__ import annotations

import argparse
import asyncio
import platform
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from bundle import open_bundle
from inference.call import Call
from inference.engine import Engine, EngineOptions
from training.data.drawn import ATTRIBUTES, draw, labels, random_face, with_attribute

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Pixels = NDArray[np.uint8]

SEED = 987_654_321
BATCH = 100
COLUMNS = ("rebuilt", "edited", "unedited", "survives", "progress")


def main() -> int:
    """Measure, print and write the table."""
    parser = argparse.ArgumentParser(description="compare shifts with true counterfactuals")
    parser.add_argument("--bundle", type=Path, default=Path("models/faces-64"))
    parser.add_argument("--count", type=int, default=200, help="faces for each attribute")
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results"))
    args = parser.parse_args()
    text = asyncio.run(_measure(args.bundle, args.count))
    print(text)
    args.out.mkdir(parents=True, exist_ok=True)
    (args.out / "edit_fidelity.md").write_text(text, encoding="utf-8")
    return 0


async def _measure(path: Path, count: int) -> str:
    bundle = open_bundle(path)
    engine = Engine(bundle, EngineOptions(device="cpu", max_items=BATCH))
    await engine.warm_up()
    size = bundle.manifest.image.height
    lines = [
        f"# Edits against true counterfactuals: {bundle.manifest.name} {bundle.manifest.version}\n",
        f"{datetime.now(UTC):%Y-%m-%d}, {platform.machine()}, {count} new faces an attribute; "
        "`python benchmarks/edit_fidelity.py`\n",
        "| attribute | " + " | ".join(COLUMNS) + " |",
        "|---" * (len(COLUMNS) + 1) + "|",
    ]
    for attribute in ATTRIBUTES:
        figures = await _one(engine, attribute, count, size)
        shown = [f"{value:.2f} dB" for value in figures[:3]] + [f"{v:.2f}" for v in figures[3:]]
        lines.append(f"| {attribute} | " + " | ".join(shown) + " |")
    await engine.aclose()
    return "\n".join(lines) + "\n"


async def _one(engine: Engine, attribute: str, count: int, size: int) -> list[float]:
    before, after, signs = _pairs(attribute, count, size)
    rebuilt, goal, edited = [], [], []
    for start in range(0, count, BATCH):
        rows = slice(start, start + BATCH)
        rebuilt.append((await engine.reconstruct(before[rows], Call())).images)
        goal.append((await engine.reconstruct(after[rows], Call())).images)
        strengths = np.zeros((len(before[rows]), len(engine.bundle.manifest.attributes)))
        strengths[:, _row(engine, attribute)] = signs[rows]
        shifted = await engine.shift(Call(), images=before[rows], strengths=strengths)
        edited.append(shifted.images)
    ours, wanted, moved = (np.concatenate(parts) for parts in (rebuilt, goal, edited))
    change, true = _unit(wanted) - _unit(ours), _unit(after) - _unit(before)
    brought = _unit(moved) - _unit(ours)
    squared = (change**2).sum(axis=(1, 2, 3))
    return [
        _psnr(ours, before),
        _psnr(moved, after),
        _psnr(ours, after),
        float(np.sqrt(squared / (true**2).sum(axis=(1, 2, 3))).mean()),
        float(((brought * change).sum(axis=(1, 2, 3)) / squared).mean()),
    ]


def _pairs(attribute: str, count: int, size: int) -> tuple[Pixels, Pixels, NDArray[np.float64]]:
    """Faces, the same with the attribute flipped, and +1 where that adds it."""
    index = ATTRIBUTES.index(attribute)
    before: list[Pixels] = []
    after: list[Pixels] = []
    signs: list[float] = []
    number = 0
    while len(before) < count:
        face = random_face(SEED, number)
        number += 1
        had = labels(face)
        # Hair under a hat does not show, and glasses are worn one pair at a time.
        if attribute != "hat" and face.hat is not None:
            continue
        if attribute == "hat" and had[ATTRIBUTES.index("long_hair")]:
            continue
        if "glasses" in attribute and face.accessory is not None and not had[index]:
            continue
        changed = with_attribute(face, attribute, present=not had[index])
        before.append(draw(face, size))
        after.append(draw(changed, size))
        signs.append(-1.0 if had[index] else 1.0)
    return np.stack(before), np.stack(after), np.array(signs)


def _row(engine: Engine, attribute: str) -> int:
    return [spec.name for spec in engine.bundle.manifest.attributes].index(attribute)


def _unit(pixels: Pixels) -> NDArray[np.float64]:
    return pixels.astype(np.float64) / 255


def _psnr(found: Pixels, expected: Pixels) -> float:
    error = ((_unit(found) - _unit(expected)) ** 2).mean(axis=(1, 2, 3))
    return float((-10 * np.log10(error)).mean())


if __name__ == "__main__":
    raise SystemExit(main())
