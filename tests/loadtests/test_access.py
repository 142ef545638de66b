"""Keys reach headers and the environment of the load's process, and nothing that is shown."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest

from loadtests.access import API_KEY, OPEN, Access, Target
from loadtests.load import worker_command
from loadtests.rpc import facts

FULL = Access("lsk_secret", Path("ca.pem"), Path("mine.pem"), Path("mine.key"))


def test_a_key_is_a_header_and_never_shown() -> None:
    assert FULL.headers() == {"authorization": "Bearer lsk_secret"}
    assert OPEN.headers() == {}
    assert "secret" not in repr(Target("https://x", "x:1", FULL))
    assert not any("secret" in word for word in worker_command("x", 1))


@pytest.mark.parametrize("access", [OPEN, FULL, Access(ca=Path("ca.pem"))])
def test_another_process_reads_the_same(access: Access) -> None:
    assert Access.from_environment(access.environment()) == access
    assert access.environment()[API_KEY] == access.api_key


def test_tls_goes_by_the_address() -> None:
    assert Target("https://x", "x:1").secure
    assert not Target("http://x", "x:1").secure
    with pytest.raises(OSError, match=r"No such file"):
        Access(ca=Path("no/such.pem")).context()


@dataclass
class Failure:
    """As a grpc.RpcError."""

    name: str
    trailing: dict[str, str]

    def code(self) -> Failure:
        return self

    def details(self) -> str:
        return "why"

    def trailing_metadata(self) -> tuple[tuple[str, str], ...]:
        return tuple(self.trailing.items())


def test_a_failure_of_grpc_is_told_apart_by_its_slug() -> None:
    shed = Failure("RESOURCE_EXHAUSTED", {"x-error-slug": "queue_full", "retry-after": "2"})
    assert facts(shed) == ("RESOURCE_EXHAUSTED", "queue_full", "why", 2.0)
    assert facts(Failure("UNAVAILABLE", {})) == ("UNAVAILABLE", "", "why", 0.0)
