"""What the container file makes serves: built by an engine where there is one, and by its steps.

The steps are those of the file: only what `.dockerignore` lets in is installed, as a package and
not in place; a user without rights runs it on a read-only tree, and the health check asks it.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tempfile
import venv
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.support.container_file import FILE, LET_IN, ROOT, every, health_check
from tests.support.server import running
from tests.support.unprivileged import give_away, make_read_only, unprivileged

if TYPE_CHECKING:
    from collections.abc import Generator

pytestmark = [pytest.mark.registry, pytest.mark.timeout(900)]


@pytest.fixture(name="place")
def _place() -> Generator[Path]:
    """A folder that everybody can look into, unlike pytest's."""
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        place.chmod(0o755)
        yield place


def test_its_steps_make_what_serves(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = place / "source"
    source.mkdir()
    ignored = shutil.ignore_patterns("__pycache__", "*.pyc")
    for name in LET_IN:
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, source / name, ignore=ignored)
        else:
            shutil.copy(ROOT / name, source / name)
    venv.create(place / "installed", with_pip=True)
    programs = place / "installed" / "bin"
    package = f"{source}[cpu]"
    subprocess.run([programs / "python", "-m", "pip", "install", "-q", package], check=True)
    make_read_only(place / "installed")
    home = place / "tmp"
    home.mkdir()
    give_away(home)
    monkeypatch.chdir(home)
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("BENTOML_HOME", str(home / "bentoml"))
    command = (*unprivileged(), str(programs / "latentserve"))
    with running(source / "models" / "faces-64", command=command) as server:
        port = re.findall(r":(\d+)$", server.url)[0]
        _, *words = health_check()
        environment = {**os.environ, "LATENTSERVE_PORT": port}
        subprocess.run([programs / "python", *words], env=environment, check=True)
        assert server.stop()[0] == 0
    failed = subprocess.run([programs / "python", *words], env=environment, check=False)
    assert failed.returncode != 0


def test_an_engine_builds_it_and_it_gets_well() -> None:
    engine = _engine()
    (base,) = {line.split()[0] for line in every("FROM")}
    if subprocess.run([engine, "pull", base], capture_output=True, check=False).returncode:
        pytest.skip(f"{engine} cannot have {base} here")
    tag = "latentserve:test"
    subprocess.run([engine, "build", "-f", FILE, "-t", tag, ROOT], check=True)
    run = [engine, "run", "--rm", "--read-only", "--tmpfs=/tmp", "--detach", tag]
    container = subprocess.run(run, capture_output=True, text=True, check=True).stdout.strip()
    try:
        retry = 'for i in $(seq 60); do "$@" && exit 0; sleep 1; done; exit 1'
        probe = [engine, "exec", container, *health_check()]
        subprocess.run(["sh", "-c", retry, "sh", *probe], check=True)
    finally:
        subprocess.run([engine, "stop", container], check=True)


def _engine() -> str:
    for name in ("podman", "docker"):
        found = shutil.which(name)
        words = [str(found), "info"]
        if found and not subprocess.run(words, capture_output=True, check=False).returncode:
            return found
    pytest.skip("no container engine runs here")
