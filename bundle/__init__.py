"""The model bundle: the contract between training, export, engine and service.

Knows numpy and pydantic, and nothing of torch, ONNX Runtime, images on the wire or HTTP.
"""

from bundle.manifest import Manifest
from bundle.prior import Prior
from bundle.store import Bundle, BundleError, open_bundle, write_bundle

__all__ = ["Bundle", "BundleError", "Manifest", "Prior", "open_bundle", "write_bundle"]
