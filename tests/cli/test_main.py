"""The command's front: a static table, quick help, exit codes."""

from __future__ import annotations

import subprocess
import sys
import types
from typing import TYPE_CHECKING

import pytest

from cli import main as cli_main

if TYPE_CHECKING:
    import argparse


def test_help_lists_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli_main.main([]) == 0
    shown = capsys.readouterr().out
    for name, (_, line) in cli_main.COMMANDS.items():
        assert f"  {name}" in shown
        assert line in shown


def test_an_unknown_command_is_a_usage_error(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        cli_main.main(["swerve"])
    assert caught.value.code == 2
    assert "invalid choice: 'swerve'" in capsys.readouterr().err


def test_the_chosen_command_gets_its_arguments(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[str] = []
    module = types.ModuleType("a_command", "Do it.")

    def add_arguments(parser: argparse.ArgumentParser) -> None:
        parser.add_argument("--name")

    def run(args: argparse.Namespace) -> int:
        seen.append(args.name)
        return 3

    module.add_arguments = add_arguments  # type: ignore[attr-defined]
    module.run = run  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "a_command", module)
    monkeypatch.setitem(cli_main.COMMANDS, "act", ("a_command", "do it"))
    assert cli_main.main(["act", "--name", "x"]) == 3
    assert seen == ["x"]


def test_help_imports_nothing_heavy() -> None:
    code = (
        "import sys; from cli.main import main; main([]);"
        "print([m for m in ('torch', 'numpy', 'pydantic', 'bentoml') if m in sys.modules])"
    )
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert shown.stdout.splitlines()[-1] == "[]"


def test_a_reader_that_has_seen_enough_is_no_error() -> None:
    # It is gone before the first line is written.
    line = f"{sys.executable} -m cli.main presets --json | :; echo ${{PIPESTATUS[0]}}"
    shown = subprocess.run(["bash", "-c", line], capture_output=True, text=True, check=True)
    assert shown.stdout.splitlines() == ["141"]
    assert shown.stderr == ""
