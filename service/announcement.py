"""Telling whoever started this server that it is ready, with TLS and keys as well as without.

environment: a file's path → written whole once the worker is warm → read by `latentserve serve`

The one who starts has no key and no certificate, so it cannot ask over the network.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import orjson

if TYPE_CHECKING:
    from inference.engine import Engine

READY_FILE = "LATENTSERVE_READY_FILE"
"""The environment variable; no setting, since no person sets it."""


def announce(engine: Engine) -> None:
    """Write what the start-up line says of the model, if anybody asked for it."""
    name = os.environ.get(READY_FILE)
    if not name:
        return
    manifest = engine.bundle.manifest
    facts = {
        "name": manifest.name,
        "version": manifest.version,
        "providers": list(engine.providers),
        "way": engine.way,
        "threads": engine.options.thread_count,
    }
    path = Path(name)
    own = path.with_name(f"{path.name}.{os.getpid()}")
    own.write_bytes(orjson.dumps(facts))
    own.replace(path)
