"""Bundles on disk: opened only after every hash agrees, written all or not at all.

    folder → manifest.json checked → every other file read once, hashed → Bundle in memory
    content → hidden sibling folder, synced → renamed to its version

1. The bytes that are hashed are the bytes that are used: no file is read twice.
2. Nothing is unpickled.
3. A reader never sees half a bundle: a version appears by one rename, and is never overwritten.
"""

from __future__ import annotations

import hashlib
import io
import os
import shutil
import tempfile
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from zipfile import BadZipFile

import numpy as np
from pydantic import ValidationError

from bundle.manifest import Manifest
from bundle.prior import Float32, Prior

if TYPE_CHECKING:
    from collections.abc import Mapping

MANIFEST = "manifest.json"
MAX_FILE_BYTES = 2 << 30
"""No file of a bundle may be larger; ONNX itself stops at 2 GiB."""


class BundleError(ValueError):
    """The folder is not a bundle that can be trusted; the message names the file and the cure."""


@dataclass(frozen=True)
class Bundle:
    """An opened bundle: everything that serving needs, in memory.

    Attributes:
        path: The version's folder.
        manifest: What the bundle says of itself.
        encoder: The encoder's ONNX bytes.
        decoder: The decoder's ONNX bytes.
        directions: float32 [A, L], row a belongs to ``manifest.attributes[a]``.
        prior: The fitted prior.
    """

    path: Path
    manifest: Manifest
    encoder: bytes
    decoder: bytes
    directions: Float32
    prior: Prior


def open_bundle(path: Path | str) -> Bundle:
    """Open a bundle: a version's folder, or a model's folder (its highest version is taken).

    Raises:
        BundleError: No bundle is there, its manifest is not valid, or a file was changed.
    """
    folder = _version_folder(Path(path))
    manifest = _read_manifest(folder)
    directions = _read_checked(folder, manifest.directions.file, manifest.directions.sha256)
    for document in manifest.documents:
        _read_checked(folder, document.file, document.sha256)
    rows, prior = _unpack_directions(folder, directions)
    wanted = (len(manifest.attributes), manifest.latent.dimension)
    if rows.shape != wanted or prior.dimension != manifest.latent.dimension:
        raise BundleError(
            f"{manifest.directions.file} in {folder} holds directions {rows.shape} and a prior of "
            f"{prior.dimension} latents, but the manifest calls for {wanted}; export it again"
        )
    graphs = manifest.graphs
    return Bundle(
        path=folder,
        manifest=manifest,
        encoder=_read_checked(folder, graphs.encoder.file, graphs.encoder.sha256),
        decoder=_read_checked(folder, graphs.decoder.file, graphs.decoder.sha256),
        directions=rows,
        prior=prior,
    )


def write_bundle(root: Path, manifest: Manifest, files: Mapping[str, bytes]) -> Path:
    """Write ``root/<version>`` atomically and open it once as a check.

    Args:
        root: The model's folder (``models/faces-64``); made if missing.
        manifest: Its hashes must be those of ``files``.
        files: Every file but the manifest, by name.

    Returns:
        The version's folder.

    Raises:
        BundleError: The version exists already, or files and manifest do not agree.
    """
    target = free_folder(root, manifest.version)
    root.mkdir(parents=True, exist_ok=True)
    staging = Path(tempfile.mkdtemp(prefix=".writing-", dir=root))
    try:
        document = manifest.model_dump_json(indent=2) + "\n"
        for name, content in {**files, MANIFEST: document.encode()}.items():
            with (staging / name).open("wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
        staging.chmod(0o755)
        open_bundle(staging)
        staging.rename(target)
    except BaseException:
        shutil.rmtree(staging, ignore_errors=True)
        raise
    return target


def free_folder(root: Path, version: str) -> Path:
    """Where ``version`` of the model in ``root`` would be written.

    Raises:
        BundleError: It is there already.
    """
    target = root / version
    if target.exists():
        raise BundleError(f"{target} exists already; a version is never overwritten")
    return target


def pack_directions(directions: Float32, prior: Prior) -> bytes:
    """``directions.npz``: directions float32 [A, L] and the prior's three arrays."""
    buffer = io.BytesIO()
    np.savez(
        buffer,
        directions=directions,
        prior_weights=prior.weights,
        prior_means=prior.means,
        prior_cholesky=prior.cholesky,
    )
    return buffer.getvalue()


def sha256(content: bytes) -> str:
    """The hash that a manifest records for ``content``, in hexadecimal."""
    return hashlib.sha256(content).hexdigest()


def versions(root: Path) -> list[str]:
    """Versions of the model in ``root``, lowest first."""
    if not root.is_dir():
        return []
    found = [entry.name for entry in root.iterdir() if (entry / MANIFEST).is_file()]
    return sorted((v for v in found if not v.startswith(".")), key=_version_key)


def _version_key(version: str) -> tuple[tuple[int, ...], str]:
    parts = version.split(".")
    return (tuple(int(p) for p in parts) if all(p.isdecimal() for p in parts) else (-1,)), version


def _version_folder(path: Path) -> Path:
    if (path / MANIFEST).is_file():
        return path
    found = versions(path)
    if not found:
        raise BundleError(
            f"no bundle at {path}: neither {path / MANIFEST} nor a version folder with one exists; "
            "give the folder that `latentserve export` wrote"
        )
    return path / found[-1]


def _read_manifest(folder: Path) -> Manifest:
    try:
        return Manifest.model_validate_json(_read(folder, MANIFEST))
    except ValidationError as error:
        raise BundleError(f"{folder / MANIFEST} is not a valid manifest: {error}") from error


def _read(folder: Path, name: str) -> bytes:
    file = folder / name
    try:
        if file.stat().st_size > MAX_FILE_BYTES:
            raise BundleError(f"{file} is larger than {MAX_FILE_BYTES} bytes")
        return file.read_bytes()
    except OSError as error:
        raise BundleError(f"{file} cannot be read: {error.strerror}") from error


def _read_checked(folder: Path, name: str, expected: str) -> bytes:
    content = _read(folder, name)
    found = sha256(content)
    if found != expected:
        raise BundleError(
            f"{folder / name} was changed: its SHA-256 is {found}, the manifest says {expected}; "
            "restore the file or export the bundle again"
        )
    return content


def _unpack_directions(folder: Path, content: bytes) -> tuple[Float32, Prior]:
    try:
        with np.load(io.BytesIO(content), allow_pickle=False) as arrays:
            rows = np.ascontiguousarray(arrays["directions"], np.float32)
            prior = Prior(
                np.ascontiguousarray(arrays["prior_weights"], np.float32),
                np.ascontiguousarray(arrays["prior_means"], np.float32),
                np.ascontiguousarray(arrays["prior_cholesky"], np.float32),
            )
    # Beside its own errors, numpy lets those of the archive and of a lone array through.
    except (KeyError, ValueError, OSError, EOFError, TypeError, BadZipFile, zlib.error) as error:
        raise BundleError(f"the directions in {folder} cannot be read: {error}") from error
    if not np.isfinite(rows).all():
        raise BundleError(f"the directions in {folder} hold values that are not finite")
    return rows, prior
