"""Certificates made for one test: an authority, and a server's certificate and key of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import trustme

if TYPE_CHECKING:
    from pathlib import Path


@dataclass
class Files:
    """PEM files.

    Attributes:
        ca: The authority's certificate.
        cert: A chain for localhost and 127.0.0.1, good for servers and for clients.
        key: Its private key.
    """

    ca: Path
    cert: Path
    key: Path


def issue(folder: Path) -> Files:
    """New files of a new authority in a new folder."""
    folder.mkdir()
    authority = trustme.CA()
    leaf = authority.issue_cert("localhost", "127.0.0.1")
    files = Files(folder / "ca.pem", folder / "cert.pem", folder / "key.pem")
    authority.cert_pem.write_to_path(str(files.ca))
    for blob in leaf.cert_chain_pems:
        blob.write_to_path(str(files.cert), append=True)
    leaf.private_key_pem.write_to_path(str(files.key))
    return files
