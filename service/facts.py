"""What the loaded model is: its manifest, where it runs, its limits, its attributes.

runtime → facts as JSON

Knows the manifest's words and runs nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from service.parameters import check
from service.rendering import json_bytes
from service.wire import Reply

if TYPE_CHECKING:
    from service.routes import Route
    from service.runtime import Runtime
    from service.wire import Request


async def model(runtime: Runtime, request: Request, route: Route) -> Reply:
    """What the manifest says, where the model runs, and the limits of a request."""
    check(route.parameters, request.query)
    engine, settings = runtime.engine, runtime.settings
    manifest = engine.bundle.manifest.model_dump(mode="json")
    facts = {
        **{name: manifest[name] for name in ("name", "version", "created", "licence")},
        **{name: manifest[name] for name in ("provenance", "image", "latent", "graphs")},
        **{name: manifest[name] for name in ("parity", "training", "evaluation")},
        "variational": engine.bundle.manifest.variational,
        "attributes": [attribute["name"] for attribute in manifest["attributes"]],
        "providers": list(engine.providers),
        "limits": {
            name: getattr(settings, name)
            for name in (
                "max_body_bytes",
                "max_image_pixels",
                "max_items",
                "max_queue_size",
                "max_batch_size",
                "deadline_ms",
            )
        },
    }
    return Reply(json_bytes(facts))


async def attributes(runtime: Runtime, request: Request, route: Route) -> Reply:
    """Each attribute with its quality and the range of strengths that is useful."""
    check(route.parameters, request.query)
    manifest = runtime.engine.bundle.manifest
    listed = [attribute.model_dump(mode="json") for attribute in manifest.attributes]
    return Reply(json_bytes({"attributes": listed}))
