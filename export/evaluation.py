"""Bundles measured on an image set: one by itself, or several by the same judges.

bundles, folder of images → the set at each bundle's size → judges, taught once → `Evaluation`s

1. Every bundle sees the images as it would be served them: its own size and crop.
2. They are judged, and compared as sets, at one size: the smallest of theirs, at most 64 pixels.
   Judges learn from the training images in every layout that a bundle asks for, in equal parts.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from bundle import open_bundle
from export.graph_model import GraphModel
from training.data import Split, load
from training.evaluation.evaluation import EvaluationError, evaluate, quiet
from training.evaluation.extractors import shrunk
from training.evaluation.judges import teach_judges
from training.evaluation.options import EvaluationOptions
from training.evaluation.rungs import chunks
from training.judged import judged_shape

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from bundle import Bundle
    from bundle.manifest import ImageSpec
    from training.data import Dataset
    from training.data.progress import Progress
    from training.evaluation.result import Evaluation

CHUNK = 256


def evaluate_bundles(
    paths: Sequence[Path],
    data: Path,
    *,
    options: EvaluationOptions | None = None,
    limit: int | None = None,
    cache: Path | None = None,
    threads: int = 1,
    progress: Callable[[str], Progress] = quiet,
) -> tuple[Evaluation, ...]:
    """One evaluation for each bundle, in their order.

    Args:
        paths: Bundles: a version's folder, or a model's.
        data: Folder of an image set.
        options: How much is looked at.
        limit: Read at most so many images of the set.
        cache: Folder for images at the model's size, for a set larger than memory.
        threads: Of each graph.
        progress: Makes the progress of a part from its label.

    Raises:
        BundleError: No bundle is there.
        DataError: No image set is there.
        EvaluationError: Bundles and set do not fit.
    """
    options = options or EvaluationOptions()
    bundles = [open_bundle(path) for path in paths]
    shape = _common_shape([bundle.manifest.image for bundle in bundles])
    sets: dict[ImageSpec, Dataset] = {}
    for bundle in bundles:
        image = bundle.manifest.image
        if image not in sets:
            reading = progress("reading images")
            sets[image] = load(data, image, limit=limit, cache=cache, progress=reading)
    names = _attributes(bundles, next(iter(sets.values())))
    parts = {
        image: tuple(_with(read.part(split), names) for split in (Split.TRAIN, Split.TEST))
        for image, read in sets.items()
    }
    judges = None
    if names:
        judges = teach_judges(
            _in_equal_parts([training for training, _ in parts.values()], shape),
            seed=options.seed,
            steps=options.judge_steps,
            progress=progress("teaching judges"),
        )
    found = []
    for bundle in bundles:
        training, test = parts[bundle.manifest.image]
        label = f"{bundle.manifest.name} {bundle.manifest.version}"
        found.append(
            evaluate(
                GraphModel(bundle, threads=threads),
                _directions(bundle, names),
                bundle.prior,
                training,
                test,
                options=options,
                progress=_prefixed(progress, label) if len(bundles) > 1 else progress,
                judges=judges,
                shape=shape,
                name=label,
            )
        )
    return tuple(found)


def _prefixed(progress: Callable[[str], Progress], label: str) -> Callable[[str], Progress]:
    return lambda part: progress(f"{label}: {part}")


def _common_shape(images: Sequence[ImageSpec]) -> tuple[int, int]:
    """(height, width) at which all are judged."""
    channels = {image.channels for image in images}
    if len(channels) > 1:
        raise EvaluationError(
            f"the bundles' images have {' and '.join(map(str, sorted(channels)))} channels; "
            "compare models of grey images with each other, and of colour images with each other"
        )
    shapes = [judged_shape(image.height, image.width) for image in images]
    return min(height for height, _ in shapes), min(width for _, width in shapes)


def _attributes(bundles: Sequence[Bundle], data: Dataset) -> tuple[str, ...]:
    """Which attributes are judged: those of the bundles, or the data's if no bundle has any."""
    if not data.attributes:
        return ()
    told = [_names(bundle) for bundle in bundles]
    named = [names for names in told if names]
    if not named:
        return data.attributes
    for bundle, names in zip(bundles, told, strict=True):
        missing = [name for name in names if name not in data.attributes]
        if missing:
            raise EvaluationError(
                f"{data.name} does not label {', '.join(missing)}, which {bundle.path} shifts; its "
                f"attributes are {', '.join(data.attributes)}: give the set that the model was "
                "made for, or one with the same attributes"
            )
        if names and set(names) != set(named[0]):
            raise EvaluationError(
                f"{bundle.path} has attributes {', '.join(names)}, the first bundle has "
                f"{', '.join(named[0])}; only models of the same attributes can be compared"
            )
    return named[0]


def _names(bundle: Bundle) -> tuple[str, ...]:
    return tuple(attribute.name for attribute in bundle.manifest.attributes)


def _directions(bundle: Bundle, names: tuple[str, ...]) -> NDArray[np.float32]:
    """float32 [A, L] in the order of ``names``; [0, L] if the bundle or the data have none."""
    own = _names(bundle)
    if not own or not names:
        return np.empty((0, bundle.manifest.latent.dimension), np.float32)
    return bundle.directions[[own.index(name) for name in names]]


def _with(data: Dataset, names: tuple[str, ...]) -> Dataset:
    """``data`` with the labels ``names`` alone, in that order."""
    columns = [data.attributes.index(name) for name in names]
    return replace(data, attributes=names, labels=data.labels[:, columns])


def _in_equal_parts(layouts: Sequence[Dataset], shape: tuple[int, int]) -> Dataset:
    """One set of images of ``shape``: every K-th item of each of the K layouts, another of each."""
    if len(layouts) == 1 and layouts[0].images.shape[1:3] == shape:
        return layouts[0]
    images, keys, labels = [], [], []
    for place, data in enumerate(layouts):
        rows = np.arange(place, len(data), len(layouts))
        images += [shrunk(part, shape) for part in chunks(data.images, rows, CHUNK)]
        keys += [f"{place}/{data.keys[row]}" for row in rows]
        labels.append(data.labels[rows])
    return replace(
        layouts[0],
        images=np.concatenate(images),
        keys=tuple(keys),
        labels=np.concatenate(labels),
        splits=np.full(len(keys), Split.TRAIN, np.int8),
    )
