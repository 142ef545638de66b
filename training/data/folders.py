"""A folder of folders: one class each, with or without a level of train, validation and test.

    [train/]shoes/sneaker/a.jpg → attributes shoes and sneaker; an image beside folders has none

Every folder on the way to an image is one boolean attribute, the level of the parts excepted.
A folder that holds all images tells nothing and is no attribute.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from training.data.dataset import attribute_name
from training.data.files import image_files
from training.data.index import FilePictures, Index
from training.data.split import official

if TYPE_CHECKING:
    from pathlib import Path

    from training.data.report import ProblemLog

UNNAMEABLE = "folder whose name has no ASCII letter or digit (no attribute)"


def index_folders(root: Path, log: ProblemLog, *, known: frozenset[str]) -> Index:
    """List the images below ``root`` with the attributes that their folders name."""
    files = image_files(root, log, known=known)
    names = [_folder_names(key, log) for key in files]
    everywhere = set.intersection(*names) if names else set()
    attributes = sorted(set().union(*names) - everywhere)
    columns = {name: column for column, name in enumerate(attributes)}
    labels = np.zeros((len(files), len(attributes)), np.bool_)
    for row, on in enumerate(names):
        labels[row, [columns[name] for name in on - everywhere]] = True
    return Index(
        FilePictures(tuple(files.values())),
        tuple(files),
        tuple(attributes),
        labels,
        layout="a folder for each class" if attributes else "a folder of images",
    )


def _folder_names(key: str, log: ProblemLog) -> set[str]:
    folders = key.split("/")[:-1]
    if official(key) is not None:
        folders = folders[1:]
    named = {folder: attribute_name(folder) for folder in folders}
    for folder, name in named.items():
        if not name:
            log.add(UNNAMEABLE, folder)
    return {name for name in named.values() if name}
