"""bentofile.yaml and pyproject.toml agree on what serving needs."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import yaml

import service
import service.settings

ROOT = Path(__file__).resolve().parents[2]


def project() -> dict[str, Any]:
    loaded: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    return loaded


def bentofile() -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load((ROOT / "bentofile.yaml").read_text())
    return loaded


def test_a_bento_installs_the_runtime_dependencies_on_cpu() -> None:
    runtime = project()["dependencies"] + project()["optional-dependencies"]["cpu"]
    assert bentofile()["python"]["packages"] == runtime
    assert bentofile()["python"]["lock_packages"] is False


def test_a_bento_holds_what_serves_and_the_default_model() -> None:
    included = bentofile()["include"]
    default = service.settings.Settings.model_fields["bundle"].default
    assert f"{default}/**" in included
    for package in ("bundle", "inference", "service"):
        assert f"{package}/**" in included
    for package in ("training", "export", "tests", "loadtests"):
        assert not any(pattern.startswith(package) for pattern in included)


def test_one_version() -> None:
    assert service.__version__ == project()["version"]
