"""Everything that the processes which make the load need to know.

Plan ↔ JSON, as a file or as a message to workers on other machines; never with an API key in it
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

from loadtests.examples import Examples
from loadtests.shapes import Phase

if TYPE_CHECKING:
    from loadtests.mixes import Tasks


@dataclass(frozen=True)
class Plan:
    """A run before it is made.

    Attributes:
        host: Base URL of the server.
        grpc: ``HOST:PORT`` of its gRPC.
        tasks: Weight by operation, for each protocol.
        phases: How many users, and for how long.
        p95_ms: What steps of users must hold; None if all phases are wanted whatever comes.
        examples: The requests and their right answers.
    """

    host: str
    grpc: str
    tasks: Tasks
    phases: tuple[Phase, ...]
    p95_ms: float | None
    examples: Examples

    @property
    def seconds(self) -> float:
        """All phases together."""
        return sum(phase.seconds for phase in self.phases)

    def to_json(self) -> str:
        """Text that `from_json` reads."""
        return json.dumps(
            {
                "host": self.host,
                "grpc": self.grpc,
                "tasks": self.tasks,
                "phases": self.phases,
                "p95_ms": self.p95_ms,
                "examples": self.examples.to_json(),
            }
        )

    @classmethod
    def from_json(cls, text: str) -> Plan:
        """The plan that `to_json` wrote."""
        said = json.loads(text)
        return cls(
            host=said["host"],
            grpc=said["grpc"],
            tasks=said["tasks"],
            phases=tuple(Phase(*phase) for phase in said["phases"]),
            p95_ms=said["p95_ms"],
            examples=Examples.from_json(said["examples"]),
        )
