"""`latentserve serve` before it serves: flags, early failures in one line, the ready line.

What it does once it runs is in tests/e2e.
"""

from __future__ import annotations

import argparse
import socket
from typing import TYPE_CHECKING

import pytest

from cli import serve
from service.settings import Settings, environment_name, flag_name
from tests.support.tiny_bundle import write_tiny_bundle

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path


@pytest.fixture(autouse=True)
def _bare_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in Settings.model_fields:
        monkeypatch.delenv(environment_name(name), raising=False)


@pytest.fixture(autouse=True)
def supervised(monkeypatch: pytest.MonkeyPatch) -> list[Settings]:
    """The settings that would be served, instead of serving them."""
    seen: list[Settings] = []

    def supervise(settings: Settings) -> int:
        seen.append(settings)
        return 0

    monkeypatch.setattr(serve, "_supervise", supervise)
    return seen


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    return write_tiny_bundle(tmp_path / "tiny")


def parse(*words: object) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    serve.add_arguments(parser)
    return parser.parse_args([str(word) for word in words])


def complaint(capsys: pytest.CaptureFixture[str]) -> str:
    """What was printed on standard error, which must be one line."""
    shown = capsys.readouterr().err
    assert shown.count("\n") == 1, shown
    return shown


def test_help_is_the_settings_own_text() -> None:
    parser = argparse.ArgumentParser(formatter_class=argparse.RawDescriptionHelpFormatter)
    serve.add_arguments(parser)
    words = " ".join(parser.format_help().split())
    for name, field in Settings.model_fields.items():
        assert flag_name(name) in words
        # argparse breaks lines at hyphens too, so only the first words are compared.
        assert (field.description or "")[:20] in words


def test_a_flag_wins_over_the_environment(
    bundle: Path, supervised: list[Settings], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LATENTSERVE_MAX_ITEMS", "7")
    monkeypatch.setenv("LATENTSERVE_DEADLINE_MS", "900")
    assert (
        serve.run(
            parse(
                "--bundle", bundle, "--port", 0, "--grpc-port", 0, "--max-items", 9, "--access-log"
            )
        )
        == 0
    )
    (settings,) = supervised
    assert (settings.max_items, settings.deadline_ms) == (9, 900)
    assert settings.access_log is True


def test_port_0_becomes_a_real_port(bundle: Path, supervised: list[Settings]) -> None:
    assert serve.run(parse("--bundle", bundle, "--port", 0, "--grpc-port", 0)) == 0
    assert supervised[0].port > 0


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("--port", "70000"), "--port is '70000': it must be less than or equal to 65535"),
        (("--device", "tpu"), "--device is 'tpu': it must be 'auto', 'cpu' or 'cuda'"),
        (("--max-items", "600"), "max_items is 600, above max_queue_size (512)"),
    ],
)
def test_a_wrong_flag_is_a_usage_error(
    words: Sequence[str], told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert serve.run(parse(*words)) == 2
    assert told in complaint(capsys)


def test_a_missing_bundle(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert serve.run(parse("--bundle", tmp_path / "none")) == 1
    assert "no bundle at" in complaint(capsys)


@pytest.mark.parametrize("file", ["encoder.onnx", "decoder.onnx", "directions.npz"])
def test_a_bundle_changed_by_a_byte(
    file: str, bundle: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = bundle / file
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    assert serve.run(parse("--bundle", bundle)) == 1
    assert f"{file} was changed" in complaint(capsys)


def test_a_port_that_is_taken(bundle: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert serve.run(parse("--bundle", bundle, "--port", port, "--grpc-port", 0)) == 1
    told = complaint(capsys)
    assert f"port {port} on 127.0.0.1 cannot be used" in told
    assert "--port" in told


def test_http_and_grpc_need_a_port_each(bundle: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    assert serve.run(parse("--bundle", bundle, "--port", port, "--grpc-port", port)) == 1
    assert f"cannot share port {port}" in complaint(capsys)


def test_an_address_that_is_not_ours(bundle: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert (
        serve.run(parse("--bundle", bundle, "--host", "192.0.2.1", "--port", 0, "--grpc-port", 0))
        == 1
    )
    assert "192.0.2.1 cannot be used" in complaint(capsys)


def test_the_ready_line_is_one_line_with_all_facts() -> None:
    facts: dict[str, object] = {
        "name": "tiny",
        "version": "3",
        "providers": ["CPUExecutionProvider"],
        "way": "",
        "threads": 4,
    }
    line = serve.ready_line("http://127.0.0.1:3000", facts, Settings(max_items=77))
    assert "\n" not in line
    for fact in ("http://127.0.0.1:3000", "tiny 3", "77 items", "workers 1, threads 4"):
        assert fact in line
    assert "device auto (CPUExecutionProvider) |" in line


def test_the_ready_line_says_how_a_gpu_runs() -> None:
    facts: dict[str, object] = {
        "name": "tiny",
        "version": "3",
        "providers": ["CUDAExecutionProvider", "CPUExecutionProvider"],
        "way": "CUDA graphs, pinned memory",
        "threads": 4,
    }
    line = serve.ready_line("http://127.0.0.1:3000", facts, Settings(device="cuda"))
    assert "CPUExecutionProvider; CUDA graphs, pinned memory)" in line
