"""What to try and what to take."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.choice import (
    NOISE,
    Settings,
    Trial,
    choose,
    first_stage,
    later_stages,
    parse_mix,
    quickest,
)
from service.settings import Settings as Served
from service.settings import flag_name


def trial(rate: float, p95_ms: float, *, refused: int = 0) -> Trial:
    return Trial(Settings(), 8, rate, p95_ms / 2, p95_ms, refused, 1.0)


def test_the_highest_rate_within_the_limit_is_taken() -> None:
    slow, good, late, refusing = (
        trial(100, 1),
        trial(200, 40),
        trial(900, 51),
        trial(800, 10, refused=1),
    )
    assert choose([slow, good, late, refusing], 50) is good
    assert choose([slow, good, late, refusing], 51) is late
    assert choose([late, refusing], 50) is None
    assert quickest([late, good]) is good


def test_of_equal_rates_the_one_that_answers_sooner_is_taken() -> None:
    quick, fast = trial(98, 10), trial(100, 20)
    assert choose([fast, quick], 50) is quick
    assert choose([fast, trial(96, 10)], 50) is fast


def test_of_equal_settings_those_that_were_tried_first_are_taken() -> None:
    """Noise alone must not talk anybody out of the defaults."""
    small = Settings(max_batch_size=8)
    first, other = trial(98, 30), replace(trial(100, 10), settings=small)
    assert choose([first, other], 50) is first
    assert choose([other, first], 50) is other
    # What is first is not taken for a trial that falls behind.
    assert choose([trial(90, 1), other, first], 50) is first
    assert choose([trial(90, 1), other], 50) is other


@given(st.lists(st.builds(trial, st.floats(1, 1e5), st.floats(0.1, 1e4))), st.floats(0.1, 1e4))
def test_the_choice_keeps_to_the_limit_and_near_the_highest_rate(
    trials: list[Trial], limit: float
) -> None:
    chosen = choose(trials, limit)
    fit = [each for each in trials if each.p95_ms <= limit]
    if chosen is None:
        assert not fit
    else:
        assert chosen in fit
        assert chosen.rate >= (1 - NOISE) * max(each.rate for each in fit)


@pytest.mark.parametrize("limit", [0.0, -1.0, math.nan, math.inf])
def test_a_limit_that_is_none_is_refused(limit: float) -> None:
    with pytest.raises(ValueError, match="p95 limit"):
        choose([], limit)


@pytest.mark.parametrize("cores", [1, 2, 3, 4, 64])
def test_the_first_stage_begins_with_the_defaults_and_uses_no_more_than_the_cores(
    cores: int,
) -> None:
    stage = first_stage(cores)
    assert stage[0] == Settings()
    assert len(set(stage)) == len(stage) <= 5
    assert all(each.workers * each.threads <= cores for each in stage)
    assert any(each.workers == cores for each in stage)


def test_later_stages_vary_one_setting_of_the_best() -> None:
    best = Settings(workers=3, threads=2)
    for stage, name in enumerate(("max_batch_size", "max_queue_delay_ms")):
        for each in later_stages(best, stage):
            assert each != best
            assert (each.workers, each.threads) == (3, 2)
            assert getattr(each, name) != getattr(best, name)
    assert later_stages(best, 2) == []


def test_flags_are_those_of_the_server_with_its_defaults() -> None:
    words = Settings(max_queue_delay_ms=1.5).flags()
    found = dict(zip(words[::2], words[1::2], strict=True))
    assert found["--max-queue-delay-ms"] == "1.5"
    names = {flag_name(name): name for name in Served.model_fields}
    for flag, text in zip(Settings().flags()[::2], Settings().flags()[1::2], strict=True):
        assert float(text) == Served.model_fields[names[flag]].default


def test_a_mix() -> None:
    assert parse_mix("decode=3, encode") == {"decode": 3, "encode": 1}


@pytest.mark.parametrize("text", ["", "decode=0", "decode=x", "decode=101", "decode,decode", "=2"])
def test_a_wrong_mix_is_explained(text: str) -> None:
    with pytest.raises(ValueError, match=r"share|mix"):
        parse_mix(text)
