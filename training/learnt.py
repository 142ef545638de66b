"""Which parts of a set are learnt and which are watched, as a preset asks.

    train             → learns train                  · watches validation
    train+validation  → learns train and validation   · watches test
    all               → learns everything             · watches validation, which is learnt too

Text-books often keep nothing back. Their recipes are followed, and a note says what that means.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from training.data.split import Split

if TYPE_CHECKING:
    from training.data import Dataset
    from training.presets import Preset


def learnt_parts(preset: Preset, data: Dataset) -> tuple[Dataset, Dataset]:
    """What is learnt and what is watched of ``data``.

    Raises:
        ValueError: There is nothing to watch.
    """
    if preset.learns_from == "train":
        learnt, watched = data.part(Split.TRAIN), Split.VALIDATION
    elif preset.learns_from == "train+validation":
        learnt, watched = data.part(Split.TRAIN, Split.VALIDATION), Split.TEST
    else:
        learnt, watched = data, Split.VALIDATION
    shown = data.part(watched)
    if not len(shown):
        raise ValueError(
            f"{data.name} has no {watched.name.lower()} images; give a set of a few hundred or more"
        )
    return learnt, shown


def notes(preset: Preset, data: Dataset) -> list[str]:
    """What a reader of the run's figures must know; nothing if they are as anyone expects.

    Raises:
        ValueError: There is nothing to watch.
    """
    images = len(learnt_parts(preset, data)[0])
    passes = preset.passes(images)
    said = [
        f"{images} training images are few: each epoch goes {passes} times through them, for "
        f"{preset.least_steps} steps in all; --epochs or --set least_steps=0 change that"
    ]
    return [*filter(None, [_watched(preset)]), *(said if passes > 1 else [])]


def _watched(preset: Preset) -> str:
    if preset.learns_from == "train+validation":
        return (
            "this preset learns from train and validation; its validation figures are of the test "
            "part"
        )
    if preset.learns_from == "all":
        return (
            "this preset learns from every image; its validation figures are of images that it "
            "learns from too, so they say nothing of other images"
        )
    return ""
