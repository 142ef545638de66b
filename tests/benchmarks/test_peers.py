"""Each peer, as a real process, answers one encode and one decode as the graphs do."""

from __future__ import annotations

import base64
import json
from typing import TYPE_CHECKING, Any

import httpx
import numpy as np
import pytest

from benchmarks.exchanges import JSON, PNG, PNG_BEGINS, material
from benchmarks.load import drive
from benchmarks.peers.graphs import PeerGraphs
from benchmarks.peers.processes import PEERS, Peer
from bundle import open_bundle
from inference import images
from inference.images import ImageLimits
from tests.support.tiny_bundle import write_tiny_bundle

if TYPE_CHECKING:
    from pathlib import Path

LIMITS = ImageLimits(1_000_000)


def picture_of(peer: Peer, body: bytes) -> bytes:
    """The PNG of a decoded latent, however this peer wraps it."""
    if body.startswith(PNG_BEGINS):
        return body
    assert peer.package == "bentoml"
    return base64.b64decode(json.loads(body)[0])


def encoding_of(peer: Peer, body: bytes) -> tuple[Any, Any]:
    """Mean and logvar of the one picture."""
    document = json.loads(body)
    if peer.package == "bentoml":
        (pair,) = document
        return pair[0], pair[1]
    return document["mean"][0], document["logvar"][0]


@pytest.mark.parametrize("peer", PEERS, ids=lambda peer: peer.package)
def test_a_peer_answers_as_the_graphs_do(peer: Peer, tmp_path: Path) -> None:
    if peer.missing:
        pytest.skip(peer.missing)
    path = write_tiny_bundle(tmp_path / "tiny")
    bundle, graphs = open_bundle(path), PeerGraphs(path)
    given = material(bundle)
    mean, logvar = graphs.encode(graphs.read(given.png)[None])
    expected = graphs.decode(given.latents[:1].round(4))[0]
    with peer.running(path, tmp_path) as served:
        before = served.cpu_s()
        exchanges = peer.exchanges(given)
        answers = {}
        for operation, exchange in exchanges.items():
            head, _, body = exchange.request.partition(b"\r\n\r\n")
            answer = httpx.post(
                f"http://{served.http}/{operation}",
                content=body,
                headers={"Content-Type": PNG if b"image/png" in head else JSON},
                timeout=30,
            )
            assert answer.status_code == 200, answer.text
            answers[operation] = answer.content
            # Two callers at once, so that what batches has something to batch.
            load = drive(served.http, (exchange,), callers=2, seconds=0.0)
            assert (load.images, load.refused) == (2, 0)
        with served.awake():
            assert served.cpu_s() >= before > 0
        served.sleep()
        with pytest.raises(httpx.ReadTimeout):
            httpx.get(f"http://{served.http}/", timeout=0.5)
        with served.awake():
            assert httpx.get(f"http://{served.http}{peer.ready}", timeout=30).status_code == 200
        tree = [served.process, *served.process.children(recursive=True)]
    # It was asleep when the block ended, and nothing of it is left.
    assert not [each for each in tree if each.is_running() and each.status() != "zombie"]
    found_mean, found_logvar = encoding_of(peer, answers["encode"])
    assert np.allclose(found_mean, mean[0], atol=1e-5)
    assert np.allclose(found_logvar, logvar[0], atol=1e-5)
    pixels = images.decode(picture_of(peer, answers["decode"]), bundle.manifest.image, LIMITS)
    assert (np.abs(pixels.astype(int) - expected) <= 1).all()
