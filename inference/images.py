"""Images on both sides of the wire, in one place to import from.

bytes → decode → uint8 [H, W, C] → … → uint8 [N, H, W, C] → contact_sheet, encode → bytes
"""

from inference.image_decode import INPUT_MEDIA_TYPES, ImageLimits, decode, fit, measure, read
from inference.image_encode import MEDIA_TYPES, OutputFormat, contact_sheet, encode
from inference.image_glance import is_light

__all__ = [
    "INPUT_MEDIA_TYPES",
    "MEDIA_TYPES",
    "ImageLimits",
    "OutputFormat",
    "contact_sheet",
    "decode",
    "encode",
    "fit",
    "is_light",
    "measure",
    "read",
]
