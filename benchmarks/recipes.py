"""Recipes side by side: each trained on the same images, all measured by the same judges.

table of recipes → train → export (what is there already is kept) → evaluate --compare → Markdown

`ablation` takes one choice of ours away at a time; `longer` asks again, in eight times the
training, where that left doubt, `schedule` in three times that; the other tables set the
text-books' models beside ours. One seed each: differences of a few hundredths are noise. The runs
take hours on a CPU; an interrupted one goes on with the same command.

    python benchmarks/recipes.py ablation --data data/faces-64
    python benchmarks/recipes.py fashion --data data/fashion-mnist
"""

from __future__ import annotations

import argparse
import platform
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

from training.evaluation.result import Comparison

Recipe = tuple[str, str, tuple[str, ...]]
"""Name of the row, preset, further arguments of ``train``."""

SMALL_FACES = (
    '--set=image={"height": 32, "width": 32, "channels": 3, "resize": "box", "crop": "centre"}',
    "--set=widths=[32, 64, 128]",
)
BEFORE = ("--set=order_weight=0", "--set=cycle_weight=20")
"""What `faces-64` was before both tables told better."""
COMMON = {
    "ablation": (*SMALL_FACES, "--limit=3000", "--epochs=4", *BEFORE),
    "longer": (*SMALL_FACES, "--limit=12000", "--epochs=8", *BEFORE),
    "schedule": (*SMALL_FACES, "--limit=12000", "--epochs=24"),
}
"""Arguments of ``train`` that all recipes of a table share."""
SMALL = '--set=image={"height": 28, "width": 28, "channels": 1, "resize": "box", "crop": "squash"}'
WIDE = (
    '--set=image={"height": 256, "width": 256, "channels": 3, "resize": "bilinear", '
    '"crop": "centre"}'
)

COLUMNS = {
    "psnr": ("PSNR, dB", ".2f"),
    "kl": ("KL, nats", ".1f"),
    "cross_entropy": ("cross-entropy, nats", ".1f"),
    "fd_judge_floor": ("FD-judge: floor", ".3g"),
    "fd_judge_reconstruction": ("rebuilt", ".3g"),
    "fd_judge_fitted": ("fitted prior", ".3g"),
    "fd_judge_normal": ("N(0, I)", ".3g"),
    "fd_random_fitted": ("FD-random: fitted", ".3g"),
    "flip_of_ceiling": ("flip", ".3f"),
    "calibration": ("K(1)", ".3f"),
    "leakage_mean": ("leakage", ".3f"),
    "score": ("score", ".3f"),
    "attributes_passed": ("passed", ".0f"),
}
"""Figures of `Evaluation.summary` that are shown: name → heading, form."""

TABLES: dict[str, tuple[Recipe, ...]] = {
    "ablation": (
        ("all of it", "faces-64", ()),
        ("pixels weigh alike", "faces-64", ("--set=detail_weight=0",)),
        ("no features", "faces-64", ("--set=feature_weight=0",)),
        ("no shifts in training", "faces-64", ("--set=shift_weight=0",)),
        (
            "no labels at all",
            "faces-64",
            ("--set=shift_weight=0", "--set=detail_weight=0", "--set=feature_weight=0"),
        ),
        ("no cycle", "faces-64", ("--set=cycle_weight=0",)),
        ("no extent", "faces-64", ("--set=extent_weight=0",)),
        ("half the shifts where they fail", "faces-64", ("--set=shift_focus=0.5",)),
        ("no moving average", "faces-64", ("--set=ema_decay=0",)),
        ("KL in full from the start", "faces-64", ("--set=kl_warm_up_epochs=0",)),
        ("constant learning rate", "faces-64", ('--set=schedule="constant"',)),
        ("no residual block", "faces-64", ("--set=residual=0",)),
        ("linear head on the mean", "faces-64", ("--set=head_weight=20",)),
        ("AR-VAE's ordered latents", "faces-64", ("--set=order_weight=20",)),
        (
            "σ fixed, as 2000 times the mean error",
            "faces-64",
            (
                '--set=textbook={"reconstruction": "sse", "reconstruction_weight": 0.651, '
                '"kl_weight": 1}',
            ),
        ),
    ),
    "longer": (
        ("all of it", "faces-64", ()),
        ("AR-VAE's ordered latents", "faces-64", ("--set=order_weight=20",)),
        ("no features", "faces-64", ("--set=feature_weight=0",)),
        ("no cycle", "faces-64", ("--set=cycle_weight=0",)),
        ("no moving average", "faces-64", ("--set=ema_decay=0",)),
        ("no residual block", "faces-64", ("--set=residual=0",)),
        (
            "ordered latents, no features, no cycle",
            "faces-64",
            ("--set=order_weight=20", "--set=feature_weight=0", "--set=cycle_weight=0"),
        ),
        (
            "ordered latents, no cycle, no moving average",
            "faces-64",
            ("--set=order_weight=20", "--set=cycle_weight=0", "--set=ema_decay=0"),
        ),
        (
            "ordered latents, no cycle: what faces-64 is now",
            "faces-64",
            ("--set=order_weight=20", "--set=cycle_weight=0"),
        ),
        ("constant learning rate", "faces-64", ('--set=schedule="constant"',)),
    ),
    "schedule": (
        ("cosine", "faces-64", ()),
        ("constant", "faces-64", ('--set=schedule="constant"',)),
    ),
    "fashion": (
        ("fashion-32", "fashion-32", ()),
        ("foster-fashion-vae", "foster-fashion-vae", ()),
        ("foster-fashion-ae", "foster-fashion-ae", ()),
    ),
    "mnist": (
        ("fashion-32 at 28", "fashion-32", (SMALL, "--set=widths=[48, 96]")),
        ("chollet-mnist-2e", "chollet-mnist-2e", ()),
        ("chollet-mnist-1e", "chollet-mnist-1e", ()),
        ("liu-mnist-ae", "liu-mnist-ae", ()),
    ),
    "faces": (
        ("faces-64", "faces-64", ()),
        ("foster-faces-64", "foster-faces-64", ("--limit=10000",)),
        ("foster-faces-32", "foster-faces-32", ("--limit=10000",)),
    ),
    "glasses": (
        (
            "faces-64 at 256",
            "faces-64",
            (
                WIDE,
                "--set=widths=[8, 16, 32, 64, 128, 256]",
                # Sixteen times the values of a portrait of 64 pixels, and thus of its nats.
                "--set=shift_weight=960",
                "--set=order_weight=320",
                "--set=batch_size=16",
                "--set=learning_rate=0.001",
                '--set=schedule="constant"',
                "--epochs=17",
                "--set=least_steps=5900",
            ),
        ),
        ("liu-glasses-256", "liu-glasses-256", ()),
    ),
}


def main() -> int:
    """Train what is missing, measure, print and write the table."""
    parser = argparse.ArgumentParser(description="train recipes side by side and compare them")
    parser.add_argument("table", choices=tuple(TABLES))
    parser.add_argument("--data", type=Path, required=True, help="image set of all recipes")
    parser.add_argument("--work", type=Path, default=Path("runs/recipes"), help="runs and bundles")
    parser.add_argument("--count", type=int, default=1500, help="test images")
    parser.add_argument("--judge-steps", type=int, default=300)
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results"))
    args = parser.parse_args()
    common = COMMON.get(args.table, ())
    recipes = TABLES[args.table]
    bundles = [
        _bundle(args.work / args.table, number, recipe, common, args.data)
        for number, recipe in enumerate(recipes)
    ]
    found = args.work / f"{args.table}.json"
    _latentserve(
        "evaluate",
        str(bundles[0]),
        *("--compare", *map(str, bundles[1:])),
        *("--data", str(args.data), "--out", str(found)),
        *("--count", str(args.count), "--judge-steps", str(args.judge_steps)),
    )
    comparison = Comparison.model_validate_json(found.read_bytes())
    text = _markdown(args, recipes, [one.summary() for one in comparison.evaluations])
    print(text)
    args.out.mkdir(parents=True, exist_ok=True)
    (args.out / f"recipes_{args.table}.md").write_text(text, encoding="utf-8")
    return 0


def _bundle(work: Path, number: int, recipe: Recipe, common: tuple[str, ...], data: Path) -> Path:
    _, preset, changes = recipe
    run, bundle = work / f"run-{number}", work / f"model-{number}"
    if bundle.is_dir():
        return bundle
    resume = ("--resume",) if (run / "checkpoints").is_dir() else ()
    _latentserve(
        "train",
        *("--preset", preset, "--data", str(data), "--out", str(run)),
        *(*common, *changes, *resume),
    )
    _latentserve("export", str(run), "--out", str(bundle), "--evaluate-count", "0")
    return bundle


def _latentserve(*words: str) -> None:
    subprocess.run([sys.executable, "-m", "cli.main", *words], check=True)


def _markdown(
    args: argparse.Namespace, recipes: tuple[Recipe, ...], found: list[dict[str, float]]
) -> str:
    shown = [name for name in COLUMNS if any(name in figures for figures in found)]
    lines = [
        f"# Recipes: {args.table}\n",
        f"{datetime.now(UTC):%Y-%m-%d}, {platform.machine()}, one seed each, {args.count} test "
        f"images, `python benchmarks/recipes.py {args.table} --data {args.data} --count "
        f"{args.count} --judge-steps {args.judge_steps}`\n",
        "| recipe | preset and changes | " + " | ".join(COLUMNS[name][0] for name in shown) + " |",
        "|---|---|" + "---:|" * len(shown),
    ]
    for (name, preset, changes), figures in zip(recipes, found, strict=True):
        values = [format(figures[key], COLUMNS[key][1]) if key in figures else "–" for key in shown]
        made = " ".join((preset, *(change.removeprefix("--set=") for change in changes)))
        lines.append(f"| {name} | `{made}` | " + " | ".join(values) + " |")
    return "\n".join([*lines, ""])


if __name__ == "__main__":
    sys.exit(main())
