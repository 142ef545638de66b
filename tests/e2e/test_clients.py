"""Every block of docs/clients.md, run against one server; and every gRPC method by grpcurl.

A block's output must hold what follows each ``→`` in it, in that order; ``…`` stands for anything.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import httpx
import numpy as np
import orjson
import pytest
from PIL import Image

from tests.support.server import Server, running

if TYPE_CHECKING:
    from collections.abc import Generator

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "clients.md"
PROTOCOLS = ROOT / "docs" / "protocols.md"
COMMANDS = {
    "bash": ("bash", "-euo", "pipefail"),
    "python": (sys.executable, "-W", "ignore"),
    "javascript": ("node",),
}
SUFFIXES = {"bash": "sh", "python": "py", "javascript": "mjs"}
NEEDED = ("curl", "grpcurl", "node")
PATH = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"


class Block(NamedTuple):
    """One fenced block."""

    section: str
    language: str
    text: str


def blocks_of(page: str) -> list[Block]:
    found = []
    for section in re.split(r"^## ", page, flags=re.MULTILINE)[1:]:
        title = section.splitlines()[0]
        for language, text in re.findall(
            r"^```(\w+)\n(.*?)^```", section, re.MULTILINE | re.DOTALL
        ):
            found.append(Block(title, language, text))
    return found


BLOCKS = blocks_of(PAGE.read_text("utf-8"))


def expected(text: str) -> str:
    """A pattern that the whole output of a block must match."""
    wanted = re.findall(r"^\s*(?:#|//) → (.*)$", text, re.MULTILINE)
    lines = [".*".join(map(re.escape, line.split("…"))) for line in wanted]
    return r"\s*" + r"\n".join(lines) + r"\s*"


def require(tool: str) -> None:
    if shutil.which(tool, path=PATH) is None:
        pytest.skip(f"{tool} is not installed here")


@pytest.fixture(scope="module")
def server() -> Generator[Server]:
    with running(ROOT / "models" / "faces-64", "--device", "cpu", "--threads", "1") as server:
        yield server


@pytest.fixture(scope="module")
def folder(server: Server, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the blocks run; it has the face that the page's first line writes."""
    folder = tmp_path_factory.mktemp("clients")
    answer = httpx.post(f"{server.url}/v1/sample", json={"n": 1, "seed": 3}, timeout=20)
    (folder / "face.png").write_bytes(answer.raise_for_status().content)
    return folder


def aimed(text: str, server: Server) -> str:
    """The text with the server's own addresses in the place of the usual ones."""
    http = server.url.removeprefix("http://")
    return text.replace("localhost:3000", http).replace("localhost:3001", server.grpc)


def run(words: list[str], folder: Path, **options: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        words,
        cwd=folder,
        env={**os.environ, "PATH": PATH, "BENTOML_DO_NOT_TRACK": "True"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        **options,
    )


def test_the_page_shows_every_client() -> None:
    assert [block.section for block in BLOCKS if block.language not in COMMANDS] == []
    assert list(dict.fromkeys(block.section for block in BLOCKS)) == [
        "curl",
        "Python with httpx",
        "Python with tritonclient",
        "grpcurl",
        "JavaScript with fetch",
        "BentoML's own client",
    ]
    text = PAGE.read_text("utf-8")
    for word in (
        "tritonclient.http",
        "tritonclient.grpc",
        "http.aio",
        "grpc.aio",
        "SyncHTTPClient",
    ):
        assert word in text


@pytest.mark.parametrize(
    "block", BLOCKS, ids=lambda block: f"{block.section}: {block.text.strip().splitlines()[0][:60]}"
)
def test_a_block_prints_what_it_says(block: Block, server: Server, folder: Path) -> None:
    for tool in NEEDED:
        if re.search(rf"\b{tool} -", block.text) or COMMANDS[block.language][0] == tool:
            require(tool)
    before = set(folder.iterdir())
    script = folder / f"block.{SUFFIXES[block.language]}"
    script.write_text(aimed(block.text, server), "utf-8")
    ended = run([*COMMANDS[block.language], script.name], folder)
    script.unlink()
    assert ended.returncode == 0, ended.stderr
    assert re.fullmatch(expected(block.text), ended.stdout, re.DOTALL), ended.stdout
    written = {path.name for path in set(folder.iterdir()) - before}
    for name in re.findall(r"-o (\S+)|writeFile\(\"(\S+?)\"|open\(\"(\S+?)\", \"wb\"", block.text):
        written.add("".join(name))
    for name in written:
        check_file(folder / name)


def check_file(path: Path) -> None:
    """A file must hold what its name says."""
    if path.suffix == ".npy":
        assert np.load(path, allow_pickle=False).shape == (1, 64)
    elif path.suffix == ".zip":
        with zipfile.ZipFile(path) as archive:
            assert len(archive.namelist()) == 6
            assert archive.testzip() is None
    else:
        with Image.open(path) as picture:
            picture.load()
            assert min(picture.size) >= 64


def test_the_lines_of_the_page_on_protocols(server: Server, folder: Path) -> None:
    require("grpcurl")
    lines = re.findall(r"^    (grpcurl .*)$", PROTOCOLS.read_text("utf-8"), re.MULTILINE)
    assert len(lines) >= 2
    for line in lines:
        ended = run(["bash", "-c", aimed(line, server)], folder)
        assert ended.returncode == 0, ended.stderr
        assert ended.stdout


LATENTS = {"rows": 2, "columns": 64, "values": [0.0] * 128}
TENSOR = {"name": "n", "datatype": "INT64", "shape": [1], "contents": {"int64_contents": [1]}}
INFER = {"model_name": "sampler", "inputs": [TENSOR]}
IMAGES = {"images": {"files": ["FACE"]}}
METHODS: dict[str, tuple[object, str]] = {
    "grpc.health.v1.Health.Check": ({}, "SERVING"),
    "grpc.health.v1.Health.Watch": ({}, "SERVING"),
    "grpc.reflection.v1alpha.ServerReflection.ServerReflectionInfo": (
        {"list_services": ""},
        "latentserve.v1.Latents",
    ),
    "inference.GRPCInferenceService.ModelInfer": (INFER, "raw_output_contents"),
    "inference.GRPCInferenceService.ModelMetadata": ({"name": "decoder"}, "latent"),
    "inference.GRPCInferenceService.ModelReady": ({"name": "decoder"}, "ready"),
    "inference.GRPCInferenceService.ModelStreamInfer": (INFER, "raw_output_contents"),
    "inference.GRPCInferenceService.ServerLive": ({}, "live"),
    "inference.GRPCInferenceService.ServerMetadata": ({}, "latentserve"),
    "inference.GRPCInferenceService.ServerReady": ({}, "ready"),
    "latentserve.v1.Latents.Decode": ({"latents": LATENTS}, "files"),
    "latentserve.v1.Latents.DecodeStream": ({"latents": LATENTS}, "answer"),
    "latentserve.v1.Latents.Encode": (IMAGES, "logvar"),
    "latentserve.v1.Latents.EncodeStream": (IMAGES, "answer"),
    "latentserve.v1.Latents.GetModel": ({}, "faces-64"),
    "latentserve.v1.Latents.Interpolate": ({"latents": LATENTS, "steps": 3}, "files"),
    "latentserve.v1.Latents.Reconstruct": (IMAGES, "files"),
    "latentserve.v1.Latents.Sample": ({"n": 1, "seed": 7}, "files"),
    "latentserve.v1.Latents.Shift": ({**IMAGES, "attributes": {"smile": 1}}, "files"),
    "latentserve.v1.Latents.ShiftStream": ({**IMAGES, "attributes": {"smile": 1}}, "answer"),
}


def test_grpcurl_lists_and_calls_every_method(server: Server, folder: Path) -> None:
    require("grpcurl")
    grpcurl = ["grpcurl", "-plaintext"]
    listed = []
    for service in run([*grpcurl, server.grpc, "list"], folder).stdout.split():
        listed += run([*grpcurl, server.grpc, "list", service], folder).stdout.split()
    assert sorted(listed) == sorted(METHODS)
    face = run(["base64", "-w0", "face.png"], folder).stdout
    for name, (asked, word) in METHODS.items():
        service, _, method = name.rpartition(".")
        message = orjson.dumps(asked).decode().replace("FACE", face)
        # A watch never ends by itself.
        limit = ("-max-time", "1") if method == "Watch" else ()
        words = [*grpcurl, *limit, "-d", "@", server.grpc, f"{service}/{method}"]
        ended = run(words, folder, input=message)
        assert ended.returncode == 0 or method == "Watch", (name, ended.stderr)
        assert f'"{word}' in ended.stdout, (name, ended.stdout[:300])
