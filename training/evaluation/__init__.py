"""How good a model is, in numbers: images, latents and attributes on held-out images.

Knows models by the three methods of `Model`, whatever runs them.
"""

from training.evaluation.model import Model, NetworkModel

__all__ = ["Model", "NetworkModel"]
