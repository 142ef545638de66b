"""Files of TLS: what stops the start, and gRPC with real certificates and a real client."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING, Any

import grpc
import pytest
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    PrivateFormat,
    load_pem_private_key,
)
from pydantic import ValidationError

from service.proto.latentserve.v1 import latents_pb2 as pb
from service.proto.latentserve.v1.latents_pb2_grpc import LatentsStub
from service.settings import Settings
from service.tls import TlsError, check_tls, http_tls
from tests.support.certificates import Files, issue
from tests.support.grpc_app import served_grpc
from tests.support.tiny_bundle import write_tiny_bundle

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Files:
    return issue(tmp_path_factory.mktemp("tls") / "ours")


@pytest.fixture(scope="module")
def others(tmp_path_factory: pytest.TempPathFactory) -> Files:
    return issue(tmp_path_factory.mktemp("tls") / "others")


def settings(cert: Path, key: Path, ca: Path | None = None) -> Settings:
    return Settings(tls_cert=cert, tls_key=key, tls_client_ca=ca)


def test_good_files_pass_and_none_are_needed(files: Files) -> None:
    check_tls(settings(files.cert, files.key, files.ca))
    found = http_tls(settings(files.cert, files.key, files.ca))
    assert (found["enabled"], found["cert_reqs"], found["ca_certs"]) == (True, 2, str(files.ca))
    assert http_tls(Settings()) == {"enabled": False}
    assert "cert_reqs" not in http_tls(settings(files.cert, files.key))


def test_a_certificate_needs_its_key_and_the_reverse(files: Files) -> None:
    with pytest.raises(ValidationError, match="tls_cert is given without tls_key"):
        Settings(tls_cert=files.cert)
    with pytest.raises(ValidationError, match="tls_key is given without tls_cert"):
        Settings(tls_key=files.key)
    with pytest.raises(ValidationError, match="tls_client_ca is given without"):
        Settings(tls_client_ca=files.ca)


def test_files_that_cannot_work_are_named(files: Files, others: Files, tmp_path: Path) -> None:
    missing, text = tmp_path / "none.pem", tmp_path / "text.pem"
    text.write_text("hello")
    locked = tmp_path / "locked.pem"
    key = load_pem_private_key(files.key.read_bytes(), None)
    locked.write_bytes(
        key.private_bytes(
            Encoding.PEM, PrivateFormat.TraditionalOpenSSL, BestAvailableEncryption(b"secret")
        )
    )
    for wrong, told in (
        (settings(missing, files.key), "tls_cert .*none.pem cannot be read: No such file"),
        (settings(files.cert, tmp_path), "tls_key .* cannot be read: Is a directory"),
        (settings(files.cert, files.key, missing), "tls_client_ca .*none.pem cannot be read"),
        (settings(files.cert, others.key), "key.pem is not the key of tls_cert"),
        (settings(text, files.key), "are no PEM certificate chain and key"),
        (settings(files.cert, text), "are no PEM certificate chain and key"),
        (settings(files.cert, locked), "locked.pem is encrypted"),
        (settings(files.cert, files.key, text), "tls_client_ca .*text.pem holds no PEM"),
    ):
        with pytest.raises(TlsError, match=told):
            http_tls(wrong)


def client_credentials(ca: Path, pair: Files | None) -> grpc.ChannelCredentials:
    own = (pair.key.read_bytes(), pair.cert.read_bytes()) if pair else (None, None)
    return grpc.ssl_channel_credentials(ca.read_bytes(), *own)


async def status_of(address: str, ca: Path, pair: Files | None = None) -> grpc.StatusCode:
    """How a call over TLS ends, from a client that has ``pair`` as its own certificate."""
    credentials = client_credentials(ca, pair)
    # Channels with equal credentials would share a connection.
    options = [("grpc.use_local_subchannel_pool", 1)]
    async with grpc.aio.secure_channel(address, credentials, options) as channel:
        try:
            await LatentsStub(channel).GetModel(pb.GetModelRequest(), timeout=10)
        except grpc.aio.AioRpcError as error:
            return error.code()
    return grpc.StatusCode.OK


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])


async def test_grpc_over_tls(files: Files, others: Files, tmp_path: Path) -> None:
    bundle = write_tiny_bundle(tmp_path / "tiny")
    tls = {"tls_cert": files.cert, "tls_key": files.key, "grpc_port": free_port()}
    async with served_grpc(bundle, **tls) as (plain, runtime):
        address = f"localhost:{runtime.settings.grpc_port}"
        assert await status_of(address, files.ca) == grpc.StatusCode.OK
        assert await status_of(address, others.ca) == grpc.StatusCode.UNAVAILABLE
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await LatentsStub(plain).GetModel(pb.GetModelRequest(), timeout=5)
        assert caught.value.code() == grpc.StatusCode.UNAVAILABLE


async def test_mutual_tls_lets_in_who_has_a_certificate_of_the_authority(
    files: Files, others: Files, tmp_path: Path
) -> None:
    bundle = write_tiny_bundle(tmp_path / "tiny")
    tls: dict[str, Any] = {"tls_cert": files.cert, "tls_key": files.key, "tls_client_ca": others.ca}
    tls["grpc_port"] = free_port()
    async with served_grpc(bundle, **tls) as (_, runtime):
        address = f"localhost:{runtime.settings.grpc_port}"
        assert await status_of(address, files.ca, others) == grpc.StatusCode.OK
        assert await status_of(address, files.ca) == grpc.StatusCode.UNAVAILABLE
        assert await status_of(address, files.ca, files) == grpc.StatusCode.UNAVAILABLE
