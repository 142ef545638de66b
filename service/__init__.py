"""The service: HTTP routes, settings and telemetry around one engine, hosted by BentoML.

`LatentService` is looked up on first use, so that reading settings imports no BentoML.
"""

from __future__ import annotations

from typing import Any

__all__ = ["LatentService", "__version__"]
__version__ = "0.1.0"


def __getattr__(name: str) -> Any:  # noqa: ANN401  (the module protocol's own signature)
    if name == "LatentService":
        from service.bento import LatentService  # noqa: PLC0415  (lazy on purpose)

        return LatentService
    raise AttributeError(f"module 'service' has no attribute {name!r}")
