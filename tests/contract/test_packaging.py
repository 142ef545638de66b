"""The bento files and pyproject.toml agree on what serving needs."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

import service
import service.settings

ROOT = Path(__file__).resolve().parents[2]


def project() -> dict[str, Any]:
    loaded: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    return loaded


def bentofile(device: str) -> dict[str, Any]:
    name = "bentofile.yaml" if device == "cpu" else f"bentofile.{device}.yaml"
    loaded: dict[str, Any] = yaml.safe_load((ROOT / name).read_text())
    return loaded


@pytest.mark.parametrize("device", ["cpu", "gpu"])
def test_a_bento_installs_the_runtime_dependencies(device: str) -> None:
    runtime = project()["dependencies"] + project()["optional-dependencies"][device]
    assert bentofile(device)["python"]["packages"] == runtime
    assert bentofile(device)["python"]["lock_packages"] is False


def test_the_bentos_differ_in_packages_and_labels_alone() -> None:
    cpu, gpu = bentofile("cpu"), bentofile("gpu")
    assert {key for key in cpu | gpu if cpu.get(key) != gpu.get(key)} == {"labels", "python"}


def test_a_bento_holds_what_serves_and_the_default_model() -> None:
    included = bentofile("cpu")["include"]
    default = service.settings.Settings.model_fields["bundle"].default
    assert f"{default}/**" in included
    for package in ("bundle", "inference", "service"):
        assert f"{package}/**" in included
    for package in ("training", "export", "tests", "loadtests"):
        assert not any(pattern.startswith(package) for pattern in included)


def test_one_version() -> None:
    assert service.__version__ == project()["version"]
