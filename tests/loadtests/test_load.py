"""The real Locust against a real server: all protocols, workers, a key, TLS; wrong answers seen."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from loadtests.access import API_KEY, Access, Target
from loadtests.client import ServerError, fetch
from loadtests.examples import prepare
from loadtests.load import run_alone, run_with_workers
from loadtests.mixes import PROTOCOLS, Tasks
from loadtests.own_server import free_port, stop
from loadtests.plan import Plan
from loadtests.rpc import describe
from loadtests.server_metrics import parse
from loadtests.shapes import Phase
from service.keys import new_key
from tests.support.certificates import issue
from tests.support.server import running
from tests.support.tampering import tamper
from tests.support.tiny_bundle import write_tiny_bundle

if TYPE_CHECKING:
    from collections.abc import Generator

    from tests.support.certificates import Files

ROOT = Path(__file__).parents[2]
KEY, LINE = new_key("load")
TASKS: Tasks = {protocol: {"decode": 3, "encode": 1} for protocol in PROTOCOLS}


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Files:
    return issue(tmp_path_factory.mktemp("tls") / "files")


@pytest.fixture(scope="module")
def target(tmp_path_factory: pytest.TempPathFactory, files: Files) -> Generator[Target]:
    """A server that asks for a key and speaks TLS."""
    folder = tmp_path_factory.mktemp("load")
    bundle = write_tiny_bundle(folder / "tiny")
    keys = folder / "keys"
    keys.write_text(LINE.line(), "utf-8")
    words = ("--api-keys-file", str(keys), "--tls-cert", str(files.cert))
    with running(bundle, "--device", "cpu", *words, "--tls-key", str(files.key)) as server:
        yield Target(server.url, server.grpc, Access(KEY, files.ca))


@pytest.fixture(scope="module")
def plan(target: Target) -> Plan:
    phases = (Phase("first", 4, 1.0), Phase("second", 8, 1.0))
    return Plan(target.host, target.grpc, TASKS, phases, None, prepare(target, TASKS, 2))


def asked(target: Target) -> float:
    """Requests that the server has answered, scrapes apart."""
    text = fetch(target.host, "GET", "/metrics", access=target.access).body.decode()
    return sum(
        value
        for (name, labels), value in parse(text).items()
        if name == "latentserve_requests_total" and dict(labels)["route"] != "/metrics"
    )


def test_workers_share_the_load_over_every_protocol(plan: Plan, target: Target) -> None:
    before = asked(target)
    outcomes = run_with_workers(plan, target.access, 2)
    # Not one request is lost or told twice on the way from workers to master.
    assert asked(target) - before == len(outcomes.rows) > 0
    assert outcomes.reasons("failed") == []
    assert {row.path.partition(" ")[0] for row in outcomes.rows} == set(PROTOCOLS)
    assert outcomes.workers == 2
    assert [(span.name, span.users) for span in outcomes.spans] == [("first", 4), ("second", 8)]
    assert outcomes.seconds >= outcomes.spans[-1].to_s >= 2
    assert all(row.result == "ok" for row in outcomes.rows)


def test_wrong_answers_are_seen_over_every_protocol(plan: Plan, target: Target) -> None:
    messages = plan.examples.messages
    wrong = tuple(
        replace(example, alone=tamper(example, messages)) for example in plan.examples.examples
    )
    spoilt = replace(
        plan,
        tasks={protocol: {"decode": 1} for protocol in PROTOCOLS},
        phases=plan.phases[1:],
        examples=replace(plan.examples, examples=wrong),
    )
    before = asked(target)
    outcomes = run_alone(spoilt, target.access)
    assert asked(target) - before == len(outcomes.rows) > 0
    assert outcomes.workers == 1
    assert {row.result for row in outcomes.rows} == {"failed"}
    reasons = [reason for reason, _ in outcomes.reasons("failed")]
    wanted = "decode: differs by 8 grey levels from the same request made alone"
    assert sorted(reasons) == sorted(f"{protocol} {wanted}" for protocol in PROTOCOLS)


def test_a_key_that_is_not_known_is_refused_over_both_doors(target: Target) -> None:
    stranger = replace(target, access=replace(target.access, api_key="lsk_unknown"))
    with pytest.raises(ServerError, match=r"/v1/model gave 401: .*unauthenticated"):
        prepare(stranger, TASKS, 1)
    with pytest.raises(ServerError, match="UNAUTHENTICATED unauthenticated"):
        describe(stranger, ["latentserve.v1.Latents"])
    with pytest.raises(ServerError, match=r"CERTIFICATE_VERIFY_FAILED"):
        fetch(target.host, "GET", "/v1/model", access=Access(KEY))


def loadtest(
    target: Target, key: str, results: Path, *words: str
) -> subprocess.CompletedProcess[str]:
    named = ("--host", target.host, "--grpc", target.grpc, "--ca", str(target.access.ca))
    return subprocess.run(
        [sys.executable, "-m", "loadtests", *named, "--results", str(results), *words],
        cwd=ROOT,
        env={**os.environ, API_KEY: key},
        capture_output=True,
        text=True,
        check=False,
        timeout=90,
    )


def test_the_command_leads_a_worker_with_a_key_and_certificates(
    target: Target, tmp_path: Path
) -> None:
    words = ("--protocol", "http,grpc", "--mix", "latents", "--users", "2", "--duration", "1")
    port = free_port()
    leads = ("--master", "--workers", "1", "--port", str(port))
    follows = ("--worker", f"127.0.0.1:{port}", "--ca", str(target.access.ca))
    worker = subprocess.Popen(
        [sys.executable, "-m", "loadtests", *follows],
        cwd=ROOT,
        env={**os.environ, API_KEY: KEY},
        stdin=subprocess.DEVNULL,
    )
    try:
        done = loadtest(target, KEY, tmp_path, *leads, *words)
        assert done.returncode == 0, done.stderr
        assert worker.wait(30) == 0
    finally:
        stop(worker)
    shown = "".join(path.read_text("utf-8") for path in tmp_path.iterdir()) + done.stdout
    assert "| http " in shown
    assert "| grpc " in shown
    assert KEY not in shown + done.stderr
