"""Image sets on disk → one `Dataset`: uint8 images, boolean attributes, a split that never moves.

Knows numpy and Pillow, and nothing of torch, so that data can be checked without it.
"""

from training.data.dataset import DataError, Dataset
from training.data.loading import load
from training.data.report import Problems
from training.data.split import Split

__all__ = ["DataError", "Dataset", "Problems", "Split", "load"]
