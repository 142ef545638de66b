"""A server of standard-library parts that speaks as much of the wire as the load test uses.

Its "model" has flat grey pictures: latent (grey, …, grey) ↔ picture of that grey; a seed is its
grey; a strength adds ten grey levels. A fault begins with the first scrape of /metrics, so that
what is asked alone before the load is still right.
"""

from __future__ import annotations

import base64
import io
import json
import re
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

from PIL import Image

if TYPE_CHECKING:
    from collections.abc import Iterator

SIDE, LATENT = 16, 3
SHED = 429
FAULTS = ("", "shed", "error", "cut", "other pixels", "not finite", "html")


def png(grey: int, side: int = SIDE) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (side, side), (grey, grey, grey)).save(buffer, "PNG")
    return buffer.getvalue()


def _grey(picture: bytes) -> int:
    with Image.open(io.BytesIO(picture)) as image:
        return int(image.convert("L").getpixel((0, 0)))  # type: ignore[arg-type]


def _shifted(picture: bytes, strength: float) -> int:
    return max(0, min(255, _grey(picture) + round(10 * strength)))


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: _Server

    def do_GET(self) -> None:
        if self.path == "/v1/model":
            image = {"height": SIDE, "width": SIDE, "channels": 3}
            self._send_json(
                {
                    "name": "flat",
                    "version": "1",
                    "image": image,
                    "latent": {"dimension": LATENT},
                    "attributes": ["bright"],
                }
            )
        elif self.path == "/metrics":
            self.server.armed = True
            count = self.server.posts
            metric = "latentserve_batch_items"
            self._send(
                f'latentserve_worker_info{{pid="1"}} 1.0\n# TYPE {metric} histogram\n'
                f'{metric}_bucket{{graph="decoder",le="1.0"}} {count}\n'
                f'{metric}_bucket{{graph="decoder",le="+Inf"}} {count}\n'
                f'{metric}_sum{{graph="decoder"}} {count}\n'.encode(),
                "text/plain",
            )
        else:
            self._send(b"{}", "application/json", 200 if self.path == "/readyz" else 404)

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.posts += 1
        fault = self.server.fault if self.server.armed else ""
        if fault in {"shed", "error"}:
            status, text = (SHED, b"{}") if fault == "shed" else (500, b'{"error": "broken"}')
            self._send(text, "application/json", status)
        elif self.path == "/v1/encode":
            (file,) = self._files(body) if self._is_json() else [body]
            value = float("nan") if fault == "not finite" else float(_grey(file))
            self._send_json({"mean": [[value] * LATENT], "logvar": [[0.0] * LATENT]})
        else:
            self._send_pictures(body, fault)

    def _send_pictures(self, body: bytes, fault: str) -> None:
        if self.path == "/v1/sample":
            said = json.loads(body)
            greys = [(said["seed"] + place) % 200 for place in range(said["n"])]
        elif self.path == "/v1/decode":
            greys = [round(row[0]) for row in json.loads(body)["latents"]]
        elif self._is_json():
            moved = sum(json.loads(body)["attributes"].values())
            greys = [_shifted(file, moved) for file in self._files(body)]
        else:
            start, end = body.index(b"\r\n\r\n") + 4, body.index(b"\r\n--latentserve")
            strengths = re.search(rb"\{.*\}", body[end:])
            assert strengths is not None
            moved = sum(json.loads(strengths[0]).values())
            greys = [_shifted(body[start:end], moved)]
        if self.headers.get("Accept") == "application/json":
            images = [base64.b64encode(png(grey)).decode() for grey in greys]
            latents = [[float(grey)] * LATENT for grey in greys]
            self._send_json({"images": images, "latents": latents, "seed": 0})
            return
        picture = png((greys[0] + 50) % 256 if fault == "other pixels" else greys[0])
        picture = {"cut": picture[:-20], "html": b"<html>"}.get(fault, picture)
        self._send(picture, "image/png")

    def _is_json(self) -> bool:
        return self.headers["Content-Type"] == "application/json"

    def _files(self, body: bytes) -> list[bytes]:
        return [base64.b64decode(text) for text in json.loads(body)["images"]]

    def _send_json(self, document: dict[str, Any]) -> None:
        self._send(json.dumps(document).encode(), "application/json")

    def _send(self, body: bytes, media_type: str, status: int = 200) -> None:
        self.send_response(status)
        self.send_header("Content-Type", media_type)
        self.send_header("Content-Length", str(len(body)))
        if status == SHED:
            self.send_header("Retry-After", "1")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args: object) -> None:
        """Keep quiet."""


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 64

    def __init__(self, fault: str) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.fault = fault
        self.armed = False
        self.posts = 0


@contextmanager
def wire_server(fault: str = "") -> Iterator[str]:
    """Serve while the block runs; gives the base URL."""
    assert fault in FAULTS
    server = _Server(fault)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
