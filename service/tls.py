"""TLS of HTTP and gRPC: one certificate for both, and perhaps an authority that callers' come from.

PEM files → checked → what BentoML gives uvicorn | what gRPC listens with

Knows the two servers' words for the same thing; knows no request.

1. Files that cannot work stop the start; nothing is ever served in the clear instead.
2. TLS 1.2 and 1.3 alone, and of 1.2 only what keeps recorded traffic secret (ECDHE, AEAD).
"""

from __future__ import annotations

import ssl
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path

    from service.settings import Settings

CIPHERS = "ECDHE+AESGCM:ECDHE+CHACHA20"


class TlsError(ValueError):
    """Certificate, key or authority cannot be used; the message says which and why."""


def check_tls(settings: Settings) -> None:
    """Read all files as a server would; nothing if TLS is off.

    Raises:
        TlsError: One is missing, is no PEM, or the key is not that of the certificate.
    """
    if settings.tls_cert is None or settings.tls_key is None:
        return
    cert, key, authority = settings.tls_cert, settings.tls_key, settings.tls_client_ca
    for name, path in (("tls_cert", cert), ("tls_key", key), ("tls_client_ca", authority)):
        if path is not None:
            _read(name, path)

    def no_password() -> bytes:
        raise TlsError(f"tls_key {key} is encrypted, and nobody is there to type its password")

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    try:
        context.load_cert_chain(cert, key, no_password)
    except ssl.SSLError as error:
        if error.reason == "KEY_VALUES_MISMATCH":
            raise TlsError(f"tls_key {key} is not the key of tls_cert {cert}") from None
        raise TlsError(
            f"tls_cert {cert} and tls_key {key} are no PEM certificate chain and key "
            f"({error.reason or error})"
        ) from None
    if authority is not None:
        try:
            context.load_verify_locations(authority)
        except ssl.SSLError as error:
            raise TlsError(
                f"tls_client_ca {authority} holds no PEM certificate ({error.reason or error})"
            ) from None


def http_tls(settings: Settings) -> dict[str, Any]:
    """BentoML's ``ssl`` section.

    Raises:
        TlsError: As in `check_tls`.
    """
    check_tls(settings)
    if settings.tls_cert is None:
        return {"enabled": False}
    found: dict[str, Any] = {
        "enabled": True,
        "certfile": str(settings.tls_cert),
        "keyfile": str(settings.tls_key),
        "ciphers": CIPHERS,
    }
    if settings.tls_client_ca is not None:
        found |= {"ca_certs": str(settings.tls_client_ca), "cert_reqs": int(ssl.CERT_REQUIRED)}
    return found


def listen(server: Any, address: str, settings: Settings) -> int:  # noqa: ANN401  (gRPC is not typed)
    """Add ``address`` to a gRPC server, with TLS if it is on; gives the port.

    Raises:
        TlsError: A file cannot be read.
        RuntimeError: The port cannot be had.
    """
    if settings.tls_cert is None or settings.tls_key is None:
        return int(server.add_insecure_port(address))
    pair = (_read("tls_key", settings.tls_key), _read("tls_cert", settings.tls_cert))
    path = settings.tls_client_ca
    authority = None if path is None else _read("tls_client_ca", path)
    import grpc  # noqa: PLC0415  (whoever only checks the files need not wait for it)

    credentials = grpc.ssl_server_credentials(
        [pair], root_certificates=authority, require_client_auth=authority is not None
    )
    return int(server.add_secure_port(address, credentials))


def _read(name: str, path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise TlsError(f"{name} {path} cannot be read: {error.strerror}") from None
