"""From a run folder to a page on disk.

run folder, its data → Material → tiles, facts, sections → HTML → file, by one rename
"""

from __future__ import annotations

import os
from datetime import UTC, datetime
from importlib.metadata import version
from typing import TYPE_CHECKING

from training.report.material import gather
from training.report.moves import arithmetic, interpolation, shifts
from training.report.overview import facts, learning, tiles
from training.report.page import to_html
from training.report.parts import Page
from training.report.quality import quality
from training.report.rebuilt import reconstructions, samples
from training.report.space import decoded_grid, latent_map, latent_section

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from training.report.material import FitPrior, Material

NAME = "report.html"


def write_report(
    run: Path,
    out: Path | None,
    data_path: Path | None,
    *,
    seed: int,
    fit_prior: FitPrior,
    say: Callable[[str], object],
) -> Path:
    """Write the report of the run in folder ``run``.

    Args:
        run: From `training.run.train`.
        out: The file; None takes `NAME` in the run folder. What is there is replaced.
        data_path: The image set; None takes the one that the run was trained on.
        seed: Of everything drawn: the same run and seed give the same pictures.
        fit_prior: Fits what samples are drawn from.
        say: Is told what is being done, a line at a time.

    Returns:
        The file.

    Raises:
        RunError, DataError: The run or its data cannot be read.
        OSError: The file cannot be written.
    """
    material = gather(run, data_path, seed=seed, fit_prior=fit_prior, say=say)
    say("drawing the page")
    target = out or run / NAME
    text = to_html(page(material, run))
    unfinished = target.with_name(target.name + ".part")
    unfinished.write_text(text, encoding="utf-8")
    os.replace(unfinished, target)  # noqa: PTH105  (the same)
    return target


def page(material: Material, run: Path) -> Page:
    """All parts of the report, in their order."""
    config = material.config
    return Page(
        title=run.resolve().name,
        subtitle=f"{config.preset.name} on {config.dataset}",
        tiles=tiles(material),
        facts=facts(material),
        sections=(
            learning(material),
            reconstructions(material),
            samples(material),
            latent_map(material),
            decoded_grid(material),
            latent_section(material),
            shifts(material),
            interpolation(material),
            arithmetic(material),
            quality(run, config.data),
        ),
        footer=(
            f"Written by latentserve {version('latentserve')} on "
            f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC."
        ),
    )
