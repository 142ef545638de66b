"""The README's curl lines, run by curl in their order against a server."""

from __future__ import annotations

import shlex
import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import orjson
import pytest
from PIL import Image

from tests.support.server import Server, running
from tests.support.tiny_bundle import write_tiny_bundle

if TYPE_CHECKING:
    from collections.abc import Generator

README = Path(__file__).resolve().parents[2] / "README.md"
LINES = [
    line.strip() for line in README.read_text("utf-8").splitlines() if line.startswith("    curl ")
]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Generator[Server]:
    bundle = write_tiny_bundle(tmp_path_factory.mktemp("readme") / "tiny")
    with running(bundle, "--device", "cpu") as server:
        yield server


def test_the_readme_shows_requests() -> None:
    assert len(LINES) >= 4


@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed here")
def test_every_curl_line_gives_what_it_says(server: Server, tmp_path: Path) -> None:
    for line in LINES:
        words = shlex.split(line.replace("localhost:3000", server.url))
        ended = subprocess.run(
            [*words, "--fail-with-body"], cwd=tmp_path, capture_output=True, check=False
        )
        assert ended.returncode == 0, ended.stdout
        if "-o" in words:
            with Image.open(tmp_path / words[words.index("-o") + 1]) as picture:
                picture.load()
        else:
            assert len(orjson.loads(ended.stdout)["mean"][0]) == 4
