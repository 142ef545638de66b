"""What the simulated clients ask for, how often, and over which protocol.

    mix, protocols → weight by operation, for each protocol

An operation is one kind of request, such as ``decode`` (one latent) or ``decode-bulk`` (many in
one array). Knows names and weights; how an operation looks on the wire is `loadtests.questions`'.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

Protocol = Literal["http", "oip-http", "grpc", "oip-grpc"]
PROTOCOLS: tuple[Protocol, ...] = ("http", "oip-http", "grpc", "oip-grpc")
ALL = "all"
_EVERY = frozenset(PROTOCOLS)
_OURS: frozenset[Protocol] = frozenset({"http", "grpc"})
_HTTP: frozenset[Protocol] = frozenset({"http"})

OPERATIONS: Mapping[str, frozenset[Protocol]] = {
    "encode": _EVERY,
    "encode-json": _HTTP,
    "encode-bulk": _EVERY,
    "decode": _EVERY,
    "decode-bulk": _EVERY,
    "sample": _EVERY,
    "shift": _EVERY,
    "shift-latents": _OURS,
    "reconstruct": _OURS,
    "reconstruct-bulk": _OURS,
    "interpolate": _OURS,
    "arithmetic": _HTTP,
    "model": _EVERY,
    "attributes": _HTTP,
}
"""Every operation, and the protocols that have it."""

EVERY = "every"
MIXES: Mapping[str, Mapping[str, int]] = {
    "mixed": {"shift": 50, "encode": 20, "decode": 15, "sample": 15},
    "shop": {"shift": 70, "sample": 20, "encode": 10},
    "catalogue": {"encode": 50, "reconstruct": 25, "encode-bulk": 20, "reconstruct-bulk": 5},
    "latents": {"decode": 60, "interpolate": 25, "decode-bulk": 15},
    EVERY: dict.fromkeys(OPERATIONS, 1),
}
"""Weights by name; `EVERY` takes from each protocol what it has."""

Tasks = dict[Protocol, dict[str, int]]


def tasks(mix: str, protocols: Sequence[Protocol]) -> Tasks:
    """The weight of each operation in each of ``protocols``.

    Raises:
        ValueError: There is no such mix, or a protocol lacks one of its operations.
    """
    if mix not in MIXES:
        raise ValueError(f"there is no mix {mix!r}; take one of {', '.join(MIXES)}")
    found: Tasks = {}
    for protocol in protocols:
        has = {name: weight for name, weight in MIXES[mix].items() if protocol in OPERATIONS[name]}
        lacking = sorted(MIXES[mix].keys() - has.keys())
        if lacking and mix != EVERY:
            able = [p for p in PROTOCOLS if all(p in OPERATIONS[name] for name in MIXES[mix])]
            raise ValueError(
                f"{protocol} has no {', no '.join(lacking)}, which the mix {mix} asks for; "
                f"it goes over {', '.join(able)}"
            )
        found[protocol] = has
    return found


def sentence(mix: str) -> str:
    """The mix in words: "shift 70 %, sample 20 %, encode 10 %"."""
    if mix == EVERY:
        return "every operation equally often"
    total = sum(MIXES[mix].values())
    return ", ".join(f"{name} {100 * w / total:.0f} %" for name, w in MIXES[mix].items())
