"""What the README and the docs tell a reader to type exists, and what they link to is there."""

from __future__ import annotations

import argparse
import re
import shlex
from importlib import import_module
from pathlib import Path

import orjson
import pytest

from cli.main import COMMANDS
from training.presets import PRESETS

ROOT = Path(__file__).resolve().parents[2]
PAGES = (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")))
TEXT = "\n".join(page.read_text("utf-8") for page in PAGES)
CODE = [line[4:] for line in TEXT.replace("\\\n", "").splitlines() if line.startswith("    ")]
TARGETS = set(re.findall(r"^([a-z-]+):.*##", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE))


def _commands(first: str) -> list[str]:
    # Comments, redirections and the brackets around what may be left out are not the command's.
    found = [
        re.sub(r"#.*|>.*|[\[\]]", "", line).strip() for line in CODE if line.startswith(f"{first} ")
    ]
    assert found, f"no page shows a {first} command"
    return found


@pytest.mark.parametrize("line", _commands("make"))
def test_every_make_target_exists(line: str) -> None:
    targets = [word for word in shlex.split(line)[1:] if "=" not in word]
    assert set(targets) <= TARGETS


@pytest.mark.parametrize("line", _commands("latentserve"))
def test_every_command_is_understood(line: str) -> None:
    _, name, *words = shlex.split(line)
    command = import_module(COMMANDS[name][0])
    parser = argparse.ArgumentParser(exit_on_error=False)
    command.add_arguments(parser)
    args = parser.parse_args(words)
    assert getattr(args, "preset", None) in {None, *PRESETS}


@pytest.mark.parametrize("line", _commands("curl"))
def test_every_curl_line_goes_to_a_route(line: str) -> None:
    paths = orjson.loads((ROOT / "docs" / "openapi.json").read_bytes())["paths"]
    (url,) = [word for word in shlex.split(line) if word.startswith("localhost:3000")]
    assert url.removeprefix("localhost:3000") in paths


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_link_leads_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#\s]+)\)", page.read_text("utf-8")):
        if not target.startswith("http"):
            assert (page.parent / target).exists(), target
