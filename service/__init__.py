"""The service: HTTP routes, settings and telemetry around one engine, hosted by BentoML.

`LatentService` is looked up on first use, so that reading settings imports no BentoML.
"""

from __future__ import annotations

from typing import Any

__all__ = ["LatentService"]


def __getattr__(name: str) -> Any:
    if name == "LatentService":
        from service.bento import LatentService

        return LatentService
    raise AttributeError(f"module 'service' has no attribute {name!r}")
