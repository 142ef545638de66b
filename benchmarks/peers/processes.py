"""The peers as processes: how each is started, where it listens, and what it must have installed.

name → packages there? → command, path of health → Served
"""

from __future__ import annotations

import contextlib
import importlib.util
import os
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

from benchmarks import exchanges
from benchmarks.peers.graphs import BUNDLE, CODECS, SESSION
from benchmarks.servers import Served, serving
from loadtests.own_server import free_port

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from benchmarks.exchanges import Material
    from benchmarks.load import Exchange
    from benchmarks.peers.graphs import Codecs, Session


_LISTEN = ("--host", "127.0.0.1", "--port", "{port}")
_BENTOML = ("-m", "bentoml", "serve", "benchmarks.peers.bentoml_app:Peer", "--quiet")
_UVICORN = ("-m", "uvicorn", "benchmarks.peers.fastapi_app:app", "--no-access-log")


@dataclass(frozen=True)
class Peer:
    """A system to compare with.

    Attributes:
        name: What tables call it.
        package: The import name of what it is made with.
        words: Its command after the interpreter; ``{port}`` stands for the port.
        ready: Path that gives 200 once it is ready.
        exchanges: What it is sent, by operation.
        codecs: Whose codecs it has.
        session: Whose options of ONNX Runtime's sessions it has.
    """

    name: str
    package: str
    words: tuple[str, ...]
    ready: str
    exchanges: Callable[[Material], dict[str, Exchange]]
    codecs: Codecs = "pillow"
    session: Session = "ours"

    @property
    def missing(self) -> str:
        """Why it cannot run here, with the cure; empty if it can."""
        if importlib.util.find_spec(self.package) is not None:
            return ""
        return f"{self.package} is not installed: pip install 'latentserve[bench]'"

    @contextlib.contextmanager
    def running(self, bundle: Path, folder: Path) -> Iterator[Served]:
        """Serve ``bundle``; its log goes into ``folder``."""
        port = free_port()
        command = [sys.executable, *(word.format(port=port) for word in self.words)]
        with serving(
            self.name,
            command,
            folder / f"{self.package}-{port}.log",
            port=port,
            ready=self.ready,
            environment={
                **os.environ,
                BUNDLE: str(bundle.resolve()),
                CODECS: self.codecs,
                SESSION: self.session,
            },
        ) as served:
            yield served


PEERS = (
    Peer(
        "BentoML batchable",
        "bentoml",
        (*_BENTOML, *_LISTEN, "--working-dir", "."),
        "/readyz",
        exchanges.bentoml,
    ),
    Peer(
        "BentoML, ORT's own threads",
        "bentoml",
        (*_BENTOML, *_LISTEN, "--working-dir", "."),
        "/readyz",
        exchanges.bentoml,
        session="default",
    ),
    Peer(
        "FastAPI",
        "fastapi",
        (*_UVICORN, *_LISTEN),
        "/readyz",
        exchanges.fastapi,
    ),
    Peer(
        "FastAPI, our codecs",
        "fastapi",
        (*_UVICORN, *_LISTEN),
        "/readyz",
        exchanges.fastapi,
        "ours",
    ),
    Peer(
        "LitServe",
        "litserve",
        ("-m", "benchmarks.peers.litserve_app", "{port}"),
        "/health",
        exchanges.litserve,
    ),
)
