"""The Kubernetes manifests as tests see them: raw from their files, and rendered by kustomize.

deploy/k8s → kustomizations → resource files → objects → the pods in them
"""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).resolve().parents[2]
K8S = ROOT / "deploy" / "k8s"
ENTRIES = ("overlays/cpu", "overlays/gpu", "kserve", "batch")
"""What a reader applies."""
Object = dict[str, Any]


def documents(path: Path) -> list[Any]:
    """Every YAML document of a file."""
    return list(yaml.safe_load_all(path.read_text("utf-8")))


def kustomizations() -> dict[Path, Object]:
    """Every kustomization by its folder."""
    return {path.parent: documents(path)[0] for path in sorted(K8S.rglob("kustomization.yaml"))}


def resource_files() -> list[Path]:
    """The files that kustomizations list as resources."""
    return [
        folder / name
        for folder, content in kustomizations().items()
        for name in content.get("resources", ())
        if name.endswith(".yaml")
    ]


def raw_objects() -> list[Object]:
    """Every object as its file has it."""
    return [thing for path in resource_files() for thing in documents(path)]


def the(kind: str, name: str | None = None, among: list[Object] | None = None) -> Object:
    """The one object of a kind (and name)."""
    found = [
        thing
        for thing in (raw_objects() if among is None else among)
        if thing["kind"] == kind and name in {None, thing["metadata"]["name"]}
    ]
    assert len(found) == 1, f"{kind} {name}: {len(found)} found"
    return found[0]


def pods(thing: Any) -> Iterator[Object]:
    """Every part of an object that has containers: a pod, or what becomes one."""
    if isinstance(thing, dict):
        if "containers" in thing:
            yield thing
        for part in thing.values():
            yield from pods(part)
    elif isinstance(thing, list):
        for part in thing:
            yield from pods(part)


def render(entry: str) -> list[Object]:
    """What is sent to the cluster; the test is skipped where nothing can render it."""
    for command in (("kustomize", "build"), ("kubectl", "kustomize")):
        if shutil.which(command[0]) is not None:
            words = [*command, str(K8S / entry)]
            text = subprocess.run(words, capture_output=True, text=True, check=True).stdout
            return list(yaml.safe_load_all(text))
    pytest.skip("neither kustomize nor kubectl is here")
