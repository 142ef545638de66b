"""The command line: defaults by shape, and what is refused with its cure."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from loadtests import options
from loadtests.access import API_KEY
from loadtests.mixes import PROTOCOLS

if TYPE_CHECKING:
    from loadtests.options import Options


def read(*words: str) -> Options:
    return options.read(list(words), "x")


def test_defaults_are_a_short_steady_run_over_http() -> None:
    asked = read()
    assert (asked.host, asked.mix, asked.protocols) == ("", "mixed", ("http",))
    assert [tuple(phase) for phase in asked.phases] == [("steady", 16, 20.0)]
    assert (asked.p95_ms, asked.workers, asked.lead, asked.follow) == (None, 0, None, None)


def test_each_shape_has_its_own_defaults_and_ends_within_three_minutes() -> None:
    for shape, users in (("steps", 256), ("spike", 64), ("steady", 16)):
        asked = read("--shape", shape)
        assert max(phase.users for phase in asked.phases) == users
        assert sum(phase.seconds for phase in asked.phases) < 170
    assert read("--shape", "steps").p95_ms == 100
    assert read("--shape", "steps", "--p95-ms", "40").p95_ms == 40
    assert read("--p95-ms", "40").p95_ms == 40
    soak = read("--shape", "soak", "--minutes", "30")
    assert sum(phase.seconds for phase in soak.phases) == 1800


def test_protocols_are_named_with_commas() -> None:
    assert read("--protocol", "grpc,http").protocols == ("http", "grpc")
    assert read("--mix", "every", "--protocol", "all").protocols == PROTOCOLS


def test_grpc_is_where_http_is_unless_told() -> None:
    assert read().grpc_of("http://10.0.0.7:3000") == "10.0.0.7:3001"
    assert read().grpc_of("https://[::1]:3000/base") == "[::1]:3001"
    assert read("--grpc", "other:9").grpc_of("http://10.0.0.7:3000") == "other:9"


def test_the_key_may_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(API_KEY, "lsk_secret")
    assert read().access.api_key == "lsk_secret"
    assert read("--api-key", "lsk_other").access.api_key == "lsk_other"
    assert "secret" not in repr(read())


def test_masters_and_workers() -> None:
    lead = read("--master", "--workers", "3", "--bind", "10.0.0.7", "--port", "6000")
    assert (lead.workers, lead.lead) == (3, ("10.0.0.7", 6000))
    assert read("--worker", "10.0.0.7").follow == ("10.0.0.7", 5557)
    assert read("--worker", "10.0.0.7:6000").follow == ("10.0.0.7", 6000)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--host", "ftp://x"], "'ftp://x' is no address"),
        (["--protocol", "soap"], "there is no protocol 'soap'"),
        (["--protocol", "oip-http", "--mix", "latents"], "oip-http has no interpolate"),
        (["--users", "0"], "0 is not a positive number"),
        (["--duration", "nan"], "nan is not a positive number"),
        (["--shape", "steps", "--duration", "200"], "a step of 200 s is longer"),
        (["--master"], "--master needs --workers"),
        (["--worker", ":5"], "':5' is no address"),
        (["--ca", "no/such.pem"], "there is no file 'no/such.pem'"),
    ],
)
def test_what_makes_no_sense_is_refused(
    words: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        read(*words)
    assert ended.value.code == 2
    assert message in capsys.readouterr().err


@pytest.mark.skipif(shutil.which("make") is None, reason="needs make")
def test_make_passes_on_what_it_is_given() -> None:
    words = ["MIX=shop", "SHAPE=steps", "P95_MS=100", "PROTOCOL=grpc", "USERS=32", "HOST=http://x"]
    done = subprocess.run(
        ["make", "--dry-run", "loadtest", *words],
        cwd=Path(__file__).parents[2],
        # What a make above this one was given is not for this one.
        env={k: v for k, v in os.environ.items() if not k.startswith("MAKE")}
        | {"USERS": "somebody"},
        capture_output=True,
        text=True,
        check=True,
    )
    (line,) = [line for line in done.stdout.splitlines() if "-m loadtests " in line]
    asked = read(*line.partition("-m loadtests ")[2].split())
    assert (asked.host, asked.mix, asked.shape, asked.p95_ms) == ("http://x", "shop", "steps", 100)
    assert asked.protocols == ("grpc",)
    assert asked.phases[-1].users == 32


def test_a_key_without_a_certificate_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "key.pem"
    file.touch()
    with pytest.raises(SystemExit):
        read("--certificate-key", str(file))
