from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn

from tests.support.pictures import TINY, pictures
from training.batches import Batch, ordered_loader
from training.calibrated import CalibratedModule
from training.draws import Draws
from training.flips import common_rows
from training.judge import Judge
from training.moves import Moves

DATA = pictures(64)


def _module(*, judged: bool = True, **changes: Any) -> CalibratedModule:
    torch.manual_seed(0)
    judge = Judge(channels=1, height=16, width=16, attributes=2).eval() if judged else None
    rows = DATA.labels if judged else DATA.labels[:, :0]
    module = CalibratedModule(
        TINY.model_copy(update=changes),
        seed=3,
        pixel_weights=torch.ones(16, 16),
        label_rows=torch.from_numpy(common_rows(rows)).float(),
        judge=judge,
        steps_per_epoch=10,
    )
    module.log_dict = module.log = lambda *_, **__: None  # type: ignore[method-assign, assignment]
    return module


def _batch() -> Batch:
    pixels, labels = next(iter(ordered_loader(DATA, 32)))
    return pixels, labels


def _loss(module: CalibratedModule, batch: Batch) -> torch.Tensor:
    module.network.eval()  # no statistics that move between two calls
    return module.training_step(batch, 0)


def test_a_step_draws_its_own_numbers_and_no_others() -> None:
    torch.manual_seed(1)
    first = _loss(_module(), _batch())
    torch.manual_seed(2)
    torch.testing.assert_close(first, _loss(_module(), _batch()))


def test_without_labels_only_likelihood_and_rate_remain() -> None:
    pixels, labels = _batch()
    plain = _module(judged=False)
    assert torch.isfinite(_loss(plain, (pixels, labels[:, :0])))
    assert _module().network.state_dict().keys() == plain.network.state_dict().keys()


@pytest.mark.parametrize("term", ["feature_weight", "shift_weight"])
def test_a_weight_of_zero_leaves_its_term_out(term: str) -> None:
    with_term, without = (_loss(_module(**changes), _batch()) for changes in ({}, {term: 0.0}))
    assert torch.isfinite(without)
    assert not torch.allclose(with_term, without)


def test_the_shift_trains_encoder_and_decoder_and_leaves_the_judge() -> None:
    module = _module(shift_weight=1000.0)
    assert module.judge is not None
    module.judge.requires_grad_(False)  # noqa: FBT003  (torch's own signature)
    before = [value.clone() for value in module.judge.state_dict().values()]
    _loss(module, _batch()).backward()
    for part in (module.network.encoder, module.network.decoder):
        assert all(parameter.grad is not None for parameter in part.parameters())
    after = module.judge.state_dict().values()
    assert all(torch.equal(old, new) for old, new in zip(before, after, strict=True))


def test_generated_images_leave_the_encoders_statistics_alone() -> None:
    with_shift, without = _module(), _module(shift_weight=0.0)
    for module in (with_shift, without):
        module.network.train()
        module.training_step(_batch(), 0)
    for name, value in with_shift.network.encoder.named_buffers():
        torch.testing.assert_close(value, without.network.encoder.get_buffer(name))


def test_shifts_that_fail_are_chosen_more_often() -> None:
    module = _module(shift_focus=0.9)
    module.failures = torch.tensor([0.0, 0.5])
    draws = Draws(0)
    chosen = module._choose(2000, draws)
    assert (chosen == 1).float().mean() == pytest.approx(0.95, abs=0.02)
    even = _module(shift_focus=0.0)
    even.failures = module.failures
    assert (even._choose(2000, draws) == 1).float().mean() == pytest.approx(0.5, abs=0.04)


def test_failures_are_counted_and_kept_in_the_checkpoint() -> None:
    module = _module()
    for _ in range(300):
        module._count_failures(torch.tensor([1.0, 1.0, 0.0]), torch.tensor([1, 1, 0]))
    assert module.failures[0] < 0.01
    assert module.failures[1] > 0.99
    checkpoint: dict[str, Any] = {}
    module.on_save_checkpoint(checkpoint)
    other = _module()
    other.on_load_checkpoint(checkpoint)
    assert torch.equal(other.failures, module.failures)


def test_losses_on_the_labels_are_options_that_train_encoder_and_head() -> None:
    module = _module(head_weight=5.0, order_weight=5.0, shift_weight=0.0)
    assert not torch.allclose(_loss(module, _batch()), _loss(_module(shift_weight=0.0), _batch()))
    assert module.label_losses is not None
    (head,) = (part for part in module.label_losses.modules() if isinstance(part, torch.nn.Linear))
    learnt = {id(parameter) for parameter in module.learnt()}
    assert {id(parameter) for parameter in head.parameters()} <= learnt
    assert {id(parameter) for parameter in module.network.parameters()} <= learnt
    _loss(module, _batch()).backward()
    assert head.weight.grad is not None
    assert head.weight.grad.any()
    assert _module().label_losses is None


class _BrightnessJudge(nn.Module):
    """Both logits are 20 times how much brighter than a quarter an image is."""

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        return (20.0 * (image.mean((1, 2, 3)) - 0.25))[:, None].expand(-1, 2)


def _known_judge() -> CalibratedModule:
    """Images with an attribute have brightness 1 (logit 15), those without 0 (logit -5)."""
    module = _module(extent_weight=100.0, cycle_weight=0.0, shift_weight=1.0)
    module.judge = _BrightnessJudge()  # type: ignore[assignment]
    labels = torch.arange(64).remainder(2).float()[:, None].expand(-1, 2)
    images = labels[:, :1, None, None].expand(-1, 1, 16, 16)
    module._note_typical(images, labels, Draws(0))
    return module


def _cost(module: CalibratedModule, brightness: float, *, placed: bool = True) -> float:
    """Of images moved to have both attributes that came out so bright."""
    count = 8
    ones, zeros = torch.ones(count, 2), torch.zeros(count, module.preset.latent)
    moves = Moves(ones, ones, ones, torch.full((count,), placed))
    images = torch.full((count, 1, 16, 16), brightness)
    first = torch.zeros(count, dtype=torch.int64)
    module.network.eval()
    return float(module._shift_loss(images, zeros, moves, first, Draws(1)).detach())


def test_what_is_usual_are_the_judges_answers_to_real_images() -> None:
    low, high = _known_judge().typical
    torch.testing.assert_close(low, torch.full((2,), -5.0), atol=1.0, rtol=0)
    torch.testing.assert_close(high, torch.full((2,), 15.0), atol=1.0, rtol=0)


def test_a_shift_that_convinces_but_lacks_extent_still_costs() -> None:
    module = _known_judge()
    # Logits of 15, 10 and 5: the judge has no doubt left, but a quarter and a half of the gap lack.
    whole, most, half = (_cost(module, brightness) for brightness in (1.0, 0.75, 0.5))
    assert whole < 0.6
    assert most - whole == pytest.approx(100.0 * 0.25**2, rel=0.3)
    assert half - whole == pytest.approx(100.0 * 0.5**2, rel=0.2)


def test_only_moves_by_one_have_an_extent() -> None:
    assert _cost(_known_judge(), 0.5, placed=False) < 0.1


def test_what_lacks_extent_counts_as_failed() -> None:
    convinced, short = _known_judge(), _known_judge()
    for _ in range(50):
        _cost(convinced, 1.0)
        _cost(short, 0.5)
    assert short.failures[0] > convinced.failures[0] + 0.3
