"""The container file: its lint, what it copies, whom it runs as, how its health is asked for."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import service
from service.access import OPEN_PATHS
from service.settings import Settings
from tests.support.container_file import (
    FILE,
    IGNORE_RULES,
    LET_IN,
    ROOT,
    TEXT,
    every,
    health_check,
    last_stage,
)
from tests.support.manifests import pods, the

HADOLINT = Path(sys.executable).with_name("hadolint")


@pytest.mark.skipif(not HADOLINT.exists(), reason="hadolint is not built for this machine")
def test_hadolint_has_nothing_to_say() -> None:
    subprocess.run([HADOLINT, "--failure-threshold", "style", FILE], check=True)


def test_every_stage_has_one_pinned_slim_base() -> None:
    bases = {line.split()[0] for line in every("FROM")}
    (base,) = bases
    assert re.fullmatch(r"python:3\.\d+\.\d+-slim-[a-z]+", base)
    python = tuple(int(part) for part in base.removeprefix("python:").split("-")[0].split(".")[:2])
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    low, high = (
        tuple(map(int, number.split(".")))
        for number in re.findall(r"\d+\.\d+", project["requires-python"])
    )
    assert low <= python < high


def test_it_runs_as_the_user_that_the_manifests_name() -> None:
    (user,) = [line.removeprefix("USER ") for line in last_stage() if line.startswith("USER ")]
    (pod,) = pods(the("Deployment"))
    security = pod["securityContext"]
    assert user == f"{security['runAsUser']}:{security['runAsGroup']}"
    assert not user.startswith("0")


def test_it_starts_without_a_shell_and_serves() -> None:
    assert [json.loads(words) for words in every("ENTRYPOINT")] == [["latentserve"]]
    assert [json.loads(words) for words in every("CMD")] == [["serve"]]


def test_its_health_check_asks_for_readiness_where_the_server_listens() -> None:
    program, flag, code = health_check()
    assert (program, flag) == ("python", "-c")
    assert re.findall(r"'(/[a-z]+)'", code)[0] in OPEN_PATHS
    assert f"'LATENTSERVE_PORT', '{Settings.model_fields['port'].default}'" in code
    compile(code, "HEALTHCHECK", "exec")


def test_its_environment_is_of_settings_that_exist_and_holds_no_secret() -> None:
    words = " ".join(line for line in last_stage() if line.startswith("ENV "))
    given = dict(re.findall(r"([A-Z_]+)=(\S+)", words))
    ours = {key.removeprefix("LATENTSERVE_").lower() for key in given if "LATENTSERVE" in key}
    assert ours <= Settings.model_fields.keys()
    assert "host" in ours
    assert not [key for key in given if re.search("KEY|SECRET|TOKEN|PASSWORD", key)]
    copied = [line.split() for line in last_stage() if line.startswith("COPY models")]
    assert given["LATENTSERVE_BUNDLE"] == copied[0][2]


def test_its_labels_have_the_version_of_the_package() -> None:
    labels = dict(re.findall(r'org\.opencontainers\.image\.(\w+)="([^"]*)"', TEXT))
    assert labels["version"] == service.__version__
    assert labels.keys() >= {"title", "description", "licenses"}


def test_the_builder_gets_what_serves_and_nothing_else() -> None:
    assert IGNORE_RULES[0] == "*"
    assert {
        *("pyproject.toml", "README.md", "LICENSE", "models"),
        *("batch", "bundle", "cli", "inference", "service"),
    } == LET_IN
    for name in LET_IN:
        assert (ROOT / name).exists()
    assert {"**/__pycache__", "**/*.pyc"} <= set(IGNORE_RULES)
