"""The kustomizations hold together: what they name exists, patches have targets, all renders."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

import service
from service.settings import Settings, environment_name
from tests.support.manifests import (
    ENTRIES,
    K8S,
    documents,
    kustomizations,
    pods,
    raw_objects,
    render,
    resource_files,
    the,
)

if TYPE_CHECKING:
    from pathlib import Path

FOLDERS = kustomizations()


def _reached(folder: Path) -> set[Path]:
    """The folder and all kustomizations that it builds on."""
    content = FOLDERS[folder]
    names = [*content.get("resources", ()), *content.get("components", ())]
    found = {folder}
    for name in names:
        if not name.endswith(".yaml"):
            found |= _reached((folder / name).resolve())
    return found


def test_every_reference_leads_to_a_file_and_every_file_is_referenced() -> None:
    named = set()
    for folder, content in FOLDERS.items():
        named.add(folder / "kustomization.yaml")
        for name in (*content.get("resources", ()), *content.get("components", ())):
            target = (folder / name).resolve()
            assert target.exists(), f"{folder.name}: {name}"
            if target.is_dir():
                assert target in FOLDERS, f"{folder.name}: {name} has no kustomization"
        named |= {folder / patch["path"] for patch in content.get("patches", ())}
    named |= set(resource_files())
    assert named == set(K8S.rglob("*.yaml"))


def test_every_kustomization_is_reached_from_what_a_reader_applies() -> None:
    assert set().union(*(_reached(K8S / entry) for entry in ENTRIES)) == set(FOLDERS)


@pytest.mark.parametrize("entry", ENTRIES)
def test_every_patch_has_a_target(entry: str) -> None:
    below = [
        thing
        for folder in _reached(K8S / entry)
        for name in FOLDERS[folder].get("resources", ())
        if name.endswith(".yaml")
        for thing in documents(folder / name)
    ]
    kinds = {(thing["kind"], thing["metadata"]["name"]) for thing in below}
    for patch in FOLDERS[K8S / entry].get("patches", ()):
        (content,) = documents(K8S / entry / patch["path"])
        target = patch.get("target") or {"kind": content["kind"], **content["metadata"]}
        assert (target["kind"], target["name"]) in kinds
        if "target" not in patch:
            named = {pod["name"] for found in pods(content) for pod in found["containers"]}
            thing = the(target["kind"], target["name"], below)
            assert named <= {pod["name"] for found in pods(thing) for pod in found["containers"]}


@pytest.mark.parametrize("entry", ENTRIES)
def test_every_image_has_the_version_of_the_package(entry: str) -> None:
    (image,) = FOLDERS[K8S / entry]["images"]
    suffix = {"overlays/gpu": "-gpu", "batch": "-batch"}.get(entry, "")
    assert image == {"name": "latentserve", "newTag": service.__version__ + suffix}
    used = {
        part["image"]
        for thing in raw_objects()
        for pod in pods(thing)
        for part in pod["containers"]
    }
    assert used == {"latentserve"}


@pytest.mark.parametrize("entry", ENTRIES)
def test_what_is_rendered_has_tagged_images_and_settings_that_exist(entry: str) -> None:
    rendered = render(entry)
    found = [pod for thing in rendered for pod in pods(thing)]
    assert found
    for pod in found:
        for container in pod["containers"]:
            assert container["image"].startswith(f"latentserve:{service.__version__}")
            for source in container.get("envFrom", ()):
                name = source["configMapRef"]["name"]
                # The generated name changes with the content, so new settings start new pods.
                assert name != "latentserve-settings"
                given = the("ConfigMap", name, rendered)["data"]
                assert given.keys() <= {environment_name(field) for field in Settings.model_fields}


def test_the_gpu_overlay_asks_for_a_gpu_and_the_cpu_overlay_for_none() -> None:
    for entry, device, gpus in (("overlays/cpu", "cpu", None), ("overlays/gpu", "cuda", "1")):
        rendered = render(entry)
        (pod,) = pods(the("Deployment", among=rendered))
        (container,) = pod["containers"]
        assert container["resources"]["limits"].get("nvidia.com/gpu") == gpus
        assert the("ConfigMap", among=rendered)["data"]["LATENTSERVE_DEVICE"] == device
        assert container["startupProbe"]["httpGet"]["path"] == "/readyz"
    scaled = the("ScaledObject", among=rendered)
    assert [trigger["name"] for trigger in scaled["spec"]["triggers"]] == ["queue-wait"]
