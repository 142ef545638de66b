"""Serve a model bundle until SIGTERM or Ctrl-C.

Runs `bentoml serve` on the service in a child process with these settings, and prints one line
when it is ready. Each flag is also an environment variable (LATENTSERVE_ and the flag's name); a
flag wins. Exits with 0 after a clean shutdown, 1 if the server could not start or had to be cut
off, 2 if a flag is wrong.

Two examples:
  latentserve serve --bundle models/faces-64
  latentserve serve --port 3100 --workers 2 --device cpu
"""
# flags, environment → Settings → checks that fail early → child `bentoml serve` → one line
#
# Knows the command line of BentoML and the wire of the service; loads no model.

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

import orjson
from pydantic import ValidationError

from bundle import BundleError, open_bundle
from service.announcement import READY_FILE
from service.settings import Settings, as_environment, environment_name, find_bundle, flag_name

if TYPE_CHECKING:
    import argparse
    from types import FrameType

SERVICE = "service:LatentService"
START_TIMEOUT_S = 300.0
_FILES = ("api_keys_file", "tls_cert", "tls_key", "tls_client_ca")
_POLL_S = 0.05
_LAST_RESORT_S = 5.0
"""What a child gets beyond its own limit before it is killed."""


class StartError(RuntimeError):
    """The server cannot start; the message is one line with the cure."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """One flag for each setting, with the setting's own text as its help."""
    for name, field in Settings.model_fields.items():
        text = f"{field.description} (default {field.default}; {environment_name(name)})"
        text = text.replace("%", "%%")
        if field.annotation is bool:
            choice = {"const": "true", "action": "store_const"}
            # mypy checks a spread dict against every keyword there is, not the two it holds.
            parser.add_argument(flag_name(name), dest=name, help=text, **choice)  # type: ignore[arg-type]
        else:
            parser.add_argument(flag_name(name), dest=name, metavar=name.upper(), help=text)


def run(args: argparse.Namespace) -> int:
    """Serve; the result is the exit code."""
    try:
        settings = _settings(args)
        settings = _checked(settings)
    except ValidationError as error:
        _complain(_explain(error))
        return 2
    except StartError as error:
        _complain(str(error))
        return 1
    return _supervise(settings)


def ready_line(url: str, facts: dict[str, object], settings: Settings) -> str:
    """The one line that is printed when the server is ready."""
    providers = facts["providers"]
    where = ", ".join(map(str, providers)) if isinstance(providers, list) else ""
    where = f"{where}; {facts['way']}" if facts["way"] else where
    return (
        f"latentserve ready at {url}, gRPC {settings.grpc_port} | "
        f"model {facts['name']} {facts['version']} | "
        f"device {settings.device} ({where}) | "
        f"workers {settings.workers}, threads {facts['threads']} | limits: "
        f"{settings.max_body_bytes} bytes, {settings.max_image_pixels} pixels, "
        f"{settings.max_items} items, queue {settings.max_queue_size}, "
        f"batch {settings.max_batch_size}, deadline {settings.deadline_ms:g} ms"
    )


def _explain(error: ValidationError) -> str:
    first = error.errors(include_url=False)[0]
    if not first["loc"]:
        return first["msg"].removeprefix("Value error, ")
    name = str(first["loc"][0])
    must = first["msg"].removeprefix("Value error, ").replace("Input should", "it must", 1)
    return f"{flag_name(name)} is {first['input']!r}: {must} (or set {environment_name(name)})"


def _settings(args: argparse.Namespace) -> Settings:
    given = {name: getattr(args, name) for name in Settings.model_fields}
    return Settings(**{name: value for name, value in given.items() if value is not None})


def _checked(settings: Settings) -> Settings:
    """The settings with the bundle's and the port's real values, once all can be had."""
    try:
        bundle = open_bundle(find_bundle(settings.bundle))
    except BundleError as error:
        raise StartError(str(error)) from None
    if settings.device == "cuda":
        _require_cuda(bundle.encoder)
    # The worker runs in another folder.
    files = {name: path.absolute() for name in _FILES if (path := getattr(settings, name))}
    settings = settings.model_copy(update=files)
    _check_access(settings)
    port = _free_port(settings, "port")
    grpc_port = _free_port(settings, "grpc_port")
    if port == grpc_port:
        raise StartError(f"HTTP and gRPC cannot share port {port}; give --grpc-port another")
    root = find_bundle(settings.bundle).resolve()
    return settings.model_copy(update={"bundle": root, "port": port, "grpc_port": grpc_port})


def _check_access(settings: Settings) -> None:
    """Refuse keys and certificates that no worker could use, in one line instead of its log."""
    from service.access import Access
    from service.keys import KeysError
    from service.tls import TlsError, check_tls

    try:
        Access(settings.api_keys, settings.api_keys_file).open()
        check_tls(settings)
    except (KeysError, TlsError) as error:
        raise StartError(str(error)) from None


def _require_cuda(graph: bytes) -> None:
    from inference.sessions import DeviceUnavailable, open_session

    try:
        open_session(graph, device="cuda")
    except DeviceUnavailable as error:
        raise StartError(str(error)) from None


def _free_port(settings: Settings, name: str) -> int:
    host, port = settings.host, getattr(settings, name)
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            raise StartError(
                f"port {port} on {host} cannot be used: {error.strerror}; choose another with "
                f"{flag_name(name)} (0 lets the system choose)"
            ) from None
        return int(probe.getsockname()[1])


def _supervise(settings: Settings) -> int:
    with tempfile.TemporaryDirectory(prefix="latentserve-") as folder:
        return _run_child(settings, Path(folder) / "ready")


def _run_child(settings: Settings, ready: Path) -> int:
    child = _spawn(settings, ready)
    wanted: list[int] = []

    def stop(number: int, frame: FrameType | None) -> None:  # noqa: ARG001  (the handler's signature)
        wanted.append(number)
        if child.poll() is None:
            child.send_signal(signal.SIGTERM)

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, stop)
    try:
        if not _announce(child, settings, ready, wanted) and not wanted:
            return 1
        while child.poll() is None and not wanted:
            time.sleep(_POLL_S)
        return _end(child, settings, wanted)
    finally:
        _kill_group(child)


def _spawn(settings: Settings, ready: Path) -> subprocess.Popen[bytes]:
    environment = {
        **os.environ,
        **as_environment(settings),
        READY_FILE: str(ready),
        "BENTOML_DO_NOT_TRACK": "True",
    }
    code = Path(__file__).resolve().parents[1]
    command = [
        *(sys.executable, "-m", "bentoml", "serve", SERVICE, "--quiet"),
        *("--host", settings.host, "--port", str(settings.port)),
        *("--working-dir", str(code)),
        *("--timeout-graceful-shutdown", str(settings.shutdown_timeout_s)),
    ]
    # A session of its own: Ctrl-C reaches this process alone, which passes on one SIGTERM.
    return subprocess.Popen(command, env=environment, start_new_session=True)  # noqa: S603  (our own words)


def _announce(
    child: subprocess.Popen[bytes], settings: Settings, ready: Path, wanted: list[int]
) -> bool:
    """Wait until the server is ready and print its line; False if that never came."""
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(settings.host, settings.host)  # noqa: S104  (compared)
    deadline = time.monotonic() + START_TIMEOUT_S
    while time.monotonic() < deadline and not wanted:
        if child.poll() is not None:
            _complain("the server ended while it started; its log above says why")
            return False
        if ready.exists():
            shown = f"[{host}]" if ":" in host else host
            scheme = "http" if settings.tls_cert is None else "https"
            url = f"{scheme}://{shown}:{settings.port}"
            print(ready_line(url, orjson.loads(ready.read_bytes()), settings), flush=True)
            return True
        time.sleep(_POLL_S)
    if not wanted:
        _complain(f"the server was not ready after {START_TIMEOUT_S:g} s; its log says why")
    return False


def _end(child: subprocess.Popen[bytes], settings: Settings, wanted: list[int]) -> int:
    if not wanted:
        _complain(f"the server ended by itself with exit code {child.returncode}")
        return 1
    try:
        child.wait(settings.shutdown_timeout_s + _LAST_RESORT_S)
    except subprocess.TimeoutExpired:
        _complain(f"the server did not end within {settings.shutdown_timeout_s} s and was killed")
        return 1
    return 0


def _kill_group(child: subprocess.Popen[bytes]) -> None:
    """End what is left of the child's session, so that no worker outlives this command."""
    try:
        os.killpg(child.pid, signal.SIGKILL)
    except ProcessLookupError:
        return
    child.wait()


def _complain(text: str) -> None:
    print(f"latentserve serve: {text}", file=sys.stderr, flush=True)
