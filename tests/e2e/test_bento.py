"""A built bento serves from a clean environment, as a user without rights, on a read-only tree."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import socket
import subprocess
import sys
import venv
from pathlib import Path
from typing import TYPE_CHECKING

import httpx
import numpy as np
import pytest
import yaml

from tests.support.http_app import NPY, array_of, png
from tests.support.server import wait_until_ready
from tests.support.tiny_bundle import write_tiny_bundle
from tests.support.unprivileged import UNPRIVILEGED_ID, give_away, make_read_only, unprivileged

if TYPE_CHECKING:
    from collections.abc import Generator

pytestmark = [pytest.mark.registry, pytest.mark.timeout(900)]
ROOT = Path(__file__).resolve().parents[2]
FILES = (
    "bentofile.yaml",
    "bentofile.gpu.yaml",
    "pyproject.toml",
    "README.md",
    "LICENSE",
    "bundle",
    "inference",
    "service",
)


def build(tmp_path: Path, file: str) -> Path:
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
    command = [sys.executable, "-m", "bentoml", "build", str(source), "-f", file, "--output", "tag"]
    subprocess.run(command, env=_environment(tmp_path / "home"), cwd=source, check=True)
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
def served(python: Path, bento: Path, home: Path) -> Generator[httpx.Client]:
    """Serve ``bento`` without rights; only ``home`` can be written to."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    words = [python, "-m", "bentoml", "serve", bento, "--host", "127.0.0.1", "--port", str(port)]
    process = subprocess.Popen([*unprivileged(), *words], env=_environment(home), cwd=home)
    try:
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=20) as client:
            wait_until_ready(str(client.base_url).rstrip("/"), process)
            yield client
    finally:
        process.terminate()
        process.wait(60)


def test_a_bento_serves_without_torch_rights_or_a_writable_tree(tmp_path: Path) -> None:
    bento = build(tmp_path, "bentofile.yaml")
    python = fresh_python(tmp_path, bento / "env" / "python" / "requirements.txt")
    for module in ("torch", "onnx", "lightning", "latentserve"):
        words = [python, "-c", f"import {module}"]
        assert subprocess.run(words, stderr=subprocess.DEVNULL, check=False).returncode
    make_read_only(bento)
    home = tmp_path / "home-of-the-server"
    home.mkdir()
    give_away(home)
    with served(python, bento, home) as client:
        model = client.get("/v1/model").json()
        body = {"Content-Type": "image/png"}
        encoded = client.post("/v1/encode", content=png(size=64), headers=body | NPY)
        mean = array_of(encoded)
        assert mean.shape == (1, model["latent"]["dimension"])
        assert np.isfinite(mean).all()
        sampled = client.post("/v1/sample", json={"n": 2, "seed": 7})
        assert sampled.status_code == 200
        assert sampled.headers["content-type"] == "image/png"
        assert sampled.headers["x-model-version"] == model["version"]
        assert client.get("/openapi.json").json()["openapi"] == "3.1.0"
        assert client.get("/schema.json").status_code == 200
        if unprivileged():
            assert _user_of_the_worker(client) == UNPRIVILEGED_ID


def test_the_bento_for_gpus_differs_in_its_runtime_alone(tmp_path: Path) -> None:
    bento = build(tmp_path, "bentofile.gpu.yaml")
    asked = (bento / "env" / "python" / "requirements.txt").read_text().split()
    assert any(word.startswith("onnxruntime-gpu[") for word in asked)
    assert not any(word.startswith("onnxruntime>") for word in asked)
    facts = yaml.safe_load((bento / "bento.yaml").read_text())
    assert facts["labels"]["device"] == "gpu"
    assert (bento / "env" / "docker" / "Dockerfile").exists()


def _user_of_the_worker(client: httpx.Client) -> int:
    """The user id that the worker behind ``client`` runs as."""
    found = re.search(r'latentserve_worker_info\{pid="(\d+)"\}', client.get("/metrics").text)
    assert found is not None
    status = Path("/proc", found[1], "status").read_text()
    return int(status.partition("Uid:")[2].split()[1])


def _environment(home: Path) -> dict[str, str]:
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("LATENTSERVE_", "PYTHON"))}
    return {
        **kept,
        "HOME": str(home),
        "BENTOML_HOME": str(home),
        "BENTOML_DO_NOT_TRACK": "True",
        "LATENTSERVE_GRPC_PORT": "0",
    }
