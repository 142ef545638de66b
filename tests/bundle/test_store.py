"""Bundles on disk: opened only if every byte is the one that was written."""

from __future__ import annotations

import io
import json
from typing import TYPE_CHECKING

import numpy as np
import pytest

from bundle import Bundle, BundleError, open_bundle, write_bundle
from bundle.manifest import FileSpec, Manifest
from bundle.store import pack_directions, sha256, versions
from tests.support.tiny_bundle import (
    tiny_bundle_content,
    tiny_directions,
    tiny_prior,
    write_tiny_bundle,
)

if TYPE_CHECKING:
    from pathlib import Path


def with_directions(content: bytes) -> tuple[Manifest, dict[str, bytes]]:
    """The tiny bundle with other directions, whose hash the manifest records."""
    manifest, files = tiny_bundle_content()
    files["directions.npz"] = content
    directions = FileSpec(file="directions.npz", sha256=sha256(content))
    return manifest.model_copy(update={"directions": directions}), files


def saved(**arrays: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    np.savez(buffer, **arrays)
    return buffer.getvalue()


def test_what_is_written_can_be_opened(tmp_path: Path) -> None:
    manifest, files = tiny_bundle_content()
    folder = write_bundle(tmp_path / "tiny", manifest, files)
    opened = open_bundle(folder)
    assert isinstance(opened, Bundle)
    assert folder == opened.path == tmp_path / "tiny" / "1"
    assert opened.manifest == manifest
    assert opened.encoder == files["encoder.onnx"]
    assert opened.decoder == files["decoder.onnx"]
    np.testing.assert_array_equal(opened.directions, tiny_directions(4))
    for name in ("weights", "means", "cholesky"):
        np.testing.assert_array_equal(getattr(opened.prior, name), getattr(tiny_prior(4), name))


def test_of_a_models_folder_the_highest_version_is_opened(tmp_path: Path) -> None:
    for version in ("1.9", "1.10", "1.2.3"):
        write_tiny_bundle(tmp_path, version=version)
    (tmp_path / ".writing-x").mkdir()
    (tmp_path / ".writing-x" / "manifest.json").write_text("{}")
    (tmp_path / "notes").mkdir()
    assert versions(tmp_path) == ["1.2.3", "1.9", "1.10"]
    assert open_bundle(str(tmp_path)).manifest.version == "1.10"


def test_folders_with_odd_names_are_no_trouble(tmp_path: Path) -> None:
    write_tiny_bundle(tmp_path)
    for name in ("old", "²"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "manifest.json").write_text("{}")
    assert versions(tmp_path)[-1] == "1"


@pytest.mark.parametrize("name", ["encoder.onnx", "decoder.onnx", "directions.npz", "card.md"])
def test_a_changed_file_is_refused_by_its_name(tmp_path: Path, name: str) -> None:
    file = write_tiny_bundle(tmp_path) / name
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content)
    with pytest.raises(BundleError, match=rf"{name} was changed"):
        open_bundle(tmp_path)


@pytest.mark.parametrize("name", ["encoder.onnx", "directions.npz", "card.md"])
def test_a_missing_file_is_refused_by_its_name(tmp_path: Path, name: str) -> None:
    (write_tiny_bundle(tmp_path) / name).unlink()
    with pytest.raises(BundleError, match=rf"{name} cannot be read"):
        open_bundle(tmp_path)


def test_no_bundle_at_all_says_what_to_give(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "nowhere"):
        with pytest.raises(BundleError, match="latentserve export"):
            open_bundle(path)


@pytest.mark.parametrize("text", ["", "{", "[]", '{"schema_version": 2}', "\x00"])
def test_a_manifest_that_cannot_be_read_is_refused(tmp_path: Path, text: str) -> None:
    (write_tiny_bundle(tmp_path) / "manifest.json").write_text(text)
    with pytest.raises(BundleError, match="not a valid manifest"):
        open_bundle(tmp_path)


def test_a_manifest_of_a_later_schema_is_never_guessed(tmp_path: Path) -> None:
    file = write_tiny_bundle(tmp_path) / "manifest.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), "schema_version": 2}))
    with pytest.raises(BundleError, match="schema_version"):
        open_bundle(tmp_path)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"junk",
        b"PK\x03\x04 no archive",
        saved(directions=np.zeros((2, 4), np.float32))[:-30],
        saved(directions=np.zeros((2, 4), np.float32)),
        saved(directions=np.array([{}], dtype=object)),
        np.lib.format.magic(1, 0),
        pack_directions(tiny_directions(4), tiny_prior(4)).replace(b"\x80?", b"\xc0\x7f"),
        pack_directions(tiny_directions(5), tiny_prior(5)),
        pack_directions(tiny_directions(4)[:1], tiny_prior(4)),
        pack_directions(np.full((2, 4), np.nan, np.float32), tiny_prior(4)),
        saved(
            directions=tiny_directions(4),
            prior_weights=np.ones(1, np.float32),
            prior_means=np.zeros(4, np.float32),
            prior_cholesky=np.zeros((1, 4, 4), np.float32),
        ),
    ],
    ids=[
        "empty",
        "junk",
        "broken archive",
        "cut short",
        "no prior",
        "pickle",
        "npy magic",
        "checksum",
        "other dimension",
        "a row missing",
        "not finite",
        "prior shapes",
    ],
)
def test_directions_that_fit_their_hash_but_not_the_model_are_refused(
    tmp_path: Path, content: bytes
) -> None:
    manifest, files = with_directions(content)
    with pytest.raises(BundleError):
        write_bundle(tmp_path, manifest, files)
    assert list(tmp_path.iterdir()) == []


def test_a_lone_array_is_no_directions_file(tmp_path: Path) -> None:
    buffer = io.BytesIO()
    np.save(buffer, np.zeros((2, 4), np.float32))
    manifest, files = with_directions(buffer.getvalue())
    with pytest.raises(BundleError, match="cannot be read"):
        write_bundle(tmp_path, manifest, files)


def test_a_version_is_never_overwritten(tmp_path: Path) -> None:
    folder = write_tiny_bundle(tmp_path)
    before = {file.name: file.read_bytes() for file in folder.iterdir()}
    with pytest.raises(BundleError, match="never overwritten"):
        write_tiny_bundle(tmp_path, latent=2)
    assert {file.name: file.read_bytes() for file in folder.iterdir()} == before


def test_files_that_disagree_with_the_manifest_leave_nothing_behind(tmp_path: Path) -> None:
    manifest, files = tiny_bundle_content()
    with pytest.raises(BundleError, match=r"decoder\.onnx was changed"):
        write_bundle(tmp_path, manifest, {**files, "decoder.onnx": b"other"})
    assert list(tmp_path.iterdir()) == []


def test_an_interrupted_write_leaves_nothing_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(_: int) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("bundle.store.os.fsync", interrupt)
    with pytest.raises(KeyboardInterrupt):
        write_tiny_bundle(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_written_bundle_can_be_read_by_others(tmp_path: Path) -> None:
    assert write_tiny_bundle(tmp_path).stat().st_mode & 0o755 == 0o755
