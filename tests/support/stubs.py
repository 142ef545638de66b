"""The code that is generated from the `.proto` files, made anew in a folder of choice.

Run as a module, it writes the committed copies. The version of grpcio-tools is pinned, since each
writes other code: the oldest whose code runs with every protobuf of `pyproject.toml`.
"""

from __future__ import annotations

import sys
from importlib.resources import files
from pathlib import Path

from grpc_tools import protoc

ROOT = Path(__file__).resolve().parents[2]
PROTOS = (
    "service/proto/latentserve/v1/latents.proto",
    "service/proto/oip/open_inference.proto",
)
_OPEN_INFERENCE = Path("service/proto/oip/open_inference_pb2.py")
_SHARED_POOL = "_descriptor_pool.Default().AddSerializedFile"
_OWN_POOL = "_descriptor_pool.DescriptorPool().AddSerializedFile"


def generate(folder: Path) -> list[Path]:
    """Write messages, types and stubs below ``folder``; their paths relative to it."""
    words = [f"--{kind}_out={folder}" for kind in ("python", "pyi", "grpc_python")]
    include = files("grpc_tools") / "_proto"
    code = protoc.main(["protoc", f"-I{ROOT}", f"-I{include}", *words, *PROTOS])
    if code:
        raise RuntimeError(f"protoc ended with {code}")
    _give_own_pool(folder / _OPEN_INFERENCE)
    return sorted(
        Path(proto).with_name(Path(proto).stem + ending)
        for proto in PROTOS
        for ending in ("_pb2.py", "_pb2.pyi", "_pb2_grpc.py")
    )


def _give_own_pool(module: Path) -> None:
    """Keep the protocol's messages apart from those of other packages in the same process.

    All implementations of the protocol define the same names, tritonclient among them; in
    protobuf's shared pool the second one to be imported would fail.
    """
    text = module.read_text()
    if text.count(_SHARED_POOL) != 1:
        raise RuntimeError(f"{module} does not use {_SHARED_POOL} once; look at the new code")
    module.write_text(text.replace(_SHARED_POOL, _OWN_POOL))


if __name__ == "__main__":
    for path in generate(ROOT):
        sys.stdout.write(f"{path}\n")
