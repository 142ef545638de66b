"""The committed gRPC code is what the `.proto` files give, and stays apart from other packages'."""

from __future__ import annotations

import tomllib
from typing import TYPE_CHECKING

import pytest
import tritonclient.grpc as triton
from packaging.requirements import Requirement
from packaging.version import Version

from service import grpc_latents
from service.oip import servicer
from service.proto.oip import open_inference_pb2 as oip
from tests.support.stubs import ROOT, generate

if TYPE_CHECKING:
    from pathlib import Path


def test_the_committed_code_is_what_the_proto_files_give(tmp_path: Path) -> None:
    made = generate(tmp_path)
    assert len(made) == 6
    for path in made:
        assert (ROOT / path).read_text() == (tmp_path / path).read_text(), (
            f"{path} is stale; run `python -m tests.support.stubs`"
        )


def test_the_code_runs_with_the_lowest_versions_that_are_allowed() -> None:
    """The compiler writes into the code which versions it needs at least."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    needed = {need.name: need.specifier for need in map(Requirement, project["dependencies"])}
    for path in ROOT.glob("service/proto/**/*_pb2.py"):
        line = next(line for line in path.read_text().splitlines() if "Protobuf Python" in line)
        assert line.endswith("6.30.0")
    assert not needed["protobuf"].contains("6.29.9")
    for path in ROOT.glob("service/proto/**/*_pb2_grpc.py"):
        line = next(x for x in path.read_text().splitlines() if x.startswith("GRPC_GENERATED"))
        version = Version(line.split("'")[1])
        assert needed["grpcio"].contains(version)
        assert not needed["grpcio"].contains("1.72.1")


def test_another_implementation_of_the_protocol_can_live_in_the_same_process() -> None:
    theirs = triton.service_pb2.ModelInferRequest
    assert theirs.DESCRIPTOR.full_name == oip.ModelInferRequest.DESCRIPTOR.full_name
    assert theirs is not oip.ModelInferRequest
    message = theirs(model_name="encoder", id="7", raw_input_contents=[b"ab"])
    message.parameters["prior"].string_param = "normal"
    tensor = message.inputs.add(name="image", datatype="UINT8", shape=[1, -2])
    tensor.contents.uint_contents.append(3)
    read = oip.ModelInferRequest.FromString(message.SerializeToString())
    assert str(read) == str(message)


@pytest.mark.parametrize("service", [grpc_latents.SERVICE, servicer.SERVICE])
def test_a_stream_has_a_twin_that_is_none(service: object) -> None:
    methods = {method.name: method for method in service.methods}  # type: ignore[attr-defined]
    for name, method in methods.items():
        assert method.client_streaming == method.server_streaming == ("Stream" in name)
        if "Stream" in name:
            assert methods[name.replace("Stream", "")].input_type == method.input_type


def test_the_protocols_messages_agree_with_nvidias_field_by_field() -> None:
    theirs = triton.service_pb2.DESCRIPTOR.message_types_by_name
    for name, ours in oip.DESCRIPTOR.message_types_by_name.items():
        numbers = {field.name: (field.number, field.type) for field in theirs[name].fields}
        for field in ours.fields:
            # MLServer's addition, of which NVIDIA's clients know nothing.
            if (name, field.name) == ("ModelMetadataResponse", "parameters"):
                continue
            assert numbers[field.name] == (field.number, field.type)
