"""Where the server is, and what it takes to be let in: an API key, certificates.

    options → Access → HTTP headers | gRPC metadata, credentials → environment of the load's process

1. A key is never part of a command line, a file or a report: it goes through the environment.
2. Certificates are always checked; without ``ca`` against the authorities of this machine.
"""

from __future__ import annotations

import os
import ssl
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

API_KEY = "LOADTEST_API_KEY"
_FILES = {
    "ca": "LOADTEST_CA",
    "certificate": "LOADTEST_CERTIFICATE",
    "certificate_key": "LOADTEST_CERTIFICATE_KEY",
}


@dataclass(frozen=True)
class Access:
    """What the server asks of its callers.

    Attributes:
        api_key: Sent as ``Authorization: Bearer``; empty for none.
        ca: PEM file of the authorities that the server's certificate is checked against.
        certificate: PEM file of a certificate of our own, where the server asks for one.
        certificate_key: Its key.
    """

    api_key: str = field(default="", repr=False)
    ca: Path | None = None
    certificate: Path | None = None
    certificate_key: Path | None = None

    def headers(self) -> dict[str, str]:
        """Headers of each request; as gRPC metadata, their names in small letters."""
        return {"authorization": f"Bearer {self.api_key}"} if self.api_key else {}

    def context(self) -> ssl.SSLContext:
        """For HTTPS.

        Raises:
            OSError: A file is missing, or is none of PEM.
        """
        context = ssl.create_default_context(cafile=self.ca)
        if self.certificate is not None:
            context.load_cert_chain(self.certificate, self.certificate_key)
        return context

    def environment(self) -> dict[str, str]:
        """Variables that `from_environment` reads in another process."""
        files = {name: getattr(self, attribute) for attribute, name in _FILES.items()}
        return {API_KEY: self.api_key, **{name: str(file or "") for name, file in files.items()}}

    @classmethod
    def from_environment(cls, variables: Mapping[str, str] = os.environ) -> Access:
        """What `environment` wrote; what is missing or empty is not asked for."""
        files = {
            attribute: Path(variables[name])
            for attribute, name in _FILES.items()
            if variables.get(name)
        }
        return cls(variables.get(API_KEY, ""), **files)


OPEN = Access()
"""For a server that lets everybody in."""


@dataclass(frozen=True)
class Target:
    """The server that is tested.

    Attributes:
        host: Base URL, without a slash at its end.
        grpc: ``HOST:PORT`` of gRPC; TLS if ``host`` has it.
        access: What it asks for.
    """

    host: str
    grpc: str
    access: Access = OPEN

    @property
    def secure(self) -> bool:
        """Whether it speaks TLS."""
        return self.host.startswith("https://")
