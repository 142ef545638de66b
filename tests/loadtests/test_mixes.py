"""Mixes are what their names promise, over each protocol that can speak them."""

from __future__ import annotations

import pytest

from loadtests.mixes import MIXES, OPERATIONS, PROTOCOLS, sentence, tasks


def test_the_named_mixes() -> None:
    assert MIXES["shop"] == {"shift": 70, "sample": 20, "encode": 10}
    assert MIXES["mixed"] == {"shift": 50, "encode": 20, "decode": 15, "sample": 15}
    assert {"encode", "reconstruct", "encode-bulk"} <= MIXES["catalogue"].keys()
    assert all(name.startswith(("decode", "interpolate")) for name in MIXES["latents"])
    for mix in ("shop", "mixed", "catalogue", "latents"):
        assert sum(MIXES[mix].values()) == 100
        assert tasks(mix, ("http", "grpc")) == {"http": MIXES[mix], "grpc": MIXES[mix]}


def test_every_takes_from_each_protocol_what_it_has() -> None:
    every = tasks("every", PROTOCOLS)
    assert list(every) == list(PROTOCOLS)
    for operation, protocols in OPERATIONS.items():
        assert {protocol for protocol in every if operation in every[protocol]} == protocols
    assert set(every["http"]) == set(OPERATIONS)


def test_a_mix_is_whole_or_refused() -> None:
    with pytest.raises(ValueError, match=r"oip-grpc has no reconstruct.*goes over http, grpc"):
        tasks("catalogue", ("http", "oip-grpc"))
    with pytest.raises(ValueError, match=r"no mix 'shoop'; take one of mixed, shop"):
        tasks("shoop", ("http",))


def test_mixes_in_words() -> None:
    assert sentence("shop") == "shift 70 %, sample 20 %, encode 10 %"
    assert sentence("every") == "every operation equally often"
