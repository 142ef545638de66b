"""A built bento serves from a fresh virtual environment made from its own requirements."""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import subprocess
import sys
import venv
from pathlib import Path
from typing import TYPE_CHECKING

import httpx
import pytest

from tests.support.server import wait_until_ready
from tests.support.tiny_bundle import write_tiny_bundle

if TYPE_CHECKING:
    from collections.abc import Generator

pytestmark = [pytest.mark.registry, pytest.mark.timeout(900)]
ROOT = Path(__file__).resolve().parents[2]
FILES = (
    "bentofile.yaml",
    "pyproject.toml",
    "README.md",
    "LICENSE",
    "bundle",
    "inference",
    "service",
)


def build(tmp_path: Path) -> Path:
    """Build the bento from a copy of what it includes; the folder of the bento."""
    source = tmp_path / "source"
    source.mkdir()
    for name in FILES:
        path = ROOT / name
        if path.is_dir():
            shutil.copytree(path, source / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(path, source / name)
    model = ROOT / "models" / "faces-64"
    if model.exists():
        shutil.copytree(model, source / "models" / "faces-64")
    else:
        write_tiny_bundle(source / "models" / "faces-64")
    bento = tmp_path / "bento"
    subprocess.run(
        [sys.executable, "-m", "bentoml", "build", str(source), "--output", "tag"],
        env=_environment(tmp_path),
        cwd=source,
        check=True,
    )
    (built,) = (
        path for path in (tmp_path / "home" / "bentos" / "latentserve").iterdir() if path.is_dir()
    )
    return built.rename(bento)


def fresh_python(tmp_path: Path, requirements: Path) -> Path:
    """A virtual environment with the requirements and nothing else; its Python."""
    venv.create(tmp_path / "venv", with_pip=True)
    python = tmp_path / "venv" / "bin" / "python"
    subprocess.run([python, "-m", "pip", "install", "-q", "-r", requirements], check=True)
    return python


@contextlib.contextmanager
def served(python: Path, bento: Path, tmp_path: Path) -> Generator[httpx.Client]:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    process = subprocess.Popen(
        [python, "-m", "bentoml", "serve", bento, "--host", "127.0.0.1", "--port", str(port)],
        env=_environment(tmp_path),
        cwd=tmp_path,
    )
    try:
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=20) as client:
            wait_until_ready(str(client.base_url).rstrip("/"), process)
            yield client
    finally:
        process.terminate()
        process.wait(60)


def test_a_bento_serves_without_torch(tmp_path: Path) -> None:
    bento = build(tmp_path)
    python = fresh_python(tmp_path, bento / "env" / "python" / "requirements.txt")
    for module in ("torch", "onnx", "lightning", "latentserve"):
        words = [python, "-c", f"import {module}"]
        assert subprocess.run(words, stderr=subprocess.DEVNULL, check=False).returncode
    with served(python, bento, tmp_path) as client:
        model = client.get("/v1/model").json()
        answer = client.post("/v1/sample", json={"n": 2, "seed": 7})
        assert answer.status_code == 200
        assert answer.headers["content-type"] == "image/png"
        assert answer.headers["x-model-version"] == model["version"]
        assert client.get("/openapi.json").json()["openapi"] == "3.1.0"
        assert client.get("/schema.json").status_code == 200


def _environment(tmp_path: Path) -> dict[str, str]:
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("LATENTSERVE_", "PYTHON"))}
    return {
        **kept,
        "BENTOML_HOME": str(tmp_path / "home"),
        "BENTOML_DO_NOT_TRACK": "True",
        "LATENTSERVE_GRPC_PORT": "0",
    }
