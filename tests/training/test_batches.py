from __future__ import annotations

from itertools import islice

import numpy as np
import pytest
import torch

from tests.support.pictures import TINY, pictures
from training.batches import EpochBatches, endless_batches, ordered_loader, to_unit, training_loader


def _epoch(order: EpochBatches, epoch: int) -> list[list[int]]:
    order.set_epoch(epoch)
    return list(order)


def test_an_epoch_depends_on_seed_and_number_alone() -> None:
    one, other = (EpochBatches(103, 10, seed=4) for _ in range(2))
    _epoch(one, 0)
    assert _epoch(one, 3) == _epoch(other, 3)
    assert _epoch(one, 3) != _epoch(one, 4)
    assert _epoch(one, 3) != _epoch(EpochBatches(103, 10, seed=5), 3)


def test_every_item_comes_at_most_once_and_batches_are_full() -> None:
    batches = _epoch(EpochBatches(103, 10, seed=0), 0)
    items = [item for batch in batches for item in batch]
    assert len(batches) == 10
    assert {len(batch) for batch in batches} == {10}
    assert len(set(items)) == 100


def test_skipped_batches_are_those_that_were_had() -> None:
    order = EpochBatches(80, 10, seed=1)
    whole = _epoch(order, 5)
    order.skip(3)
    assert _epoch(order, 5) == whole[3:]
    assert _epoch(order, 5) == whole


def test_an_epoch_may_go_through_a_small_set_several_times() -> None:
    once, thrice = EpochBatches(83, 10, seed=1), EpochBatches(83, 10, seed=1, passes=3)
    assert (len(once), len(thrice)) == (8, 24)
    batches = _epoch(thrice, 5)
    assert batches[:8] == _epoch(once, 5)
    rounds = [batches[start : start + 8] for start in (0, 8, 16)]
    assert all(len({row for batch in one for row in batch}) == 80 for one in rounds)
    assert rounds[0] != rounds[1] != rounds[2]
    thrice.skip(13)
    assert _epoch(thrice, 5) == batches[13:]


@pytest.mark.parametrize(
    ("images", "epochs", "least", "passes"),
    [(1000, 10, 0, 1), (1000, 10, 310, 1), (1000, 10, 311, 2), (40, 10, 100, 10), (31, 1, 5, 5)],
)
def test_a_preset_says_how_often(images: int, epochs: int, least: int, passes: int) -> None:
    preset = TINY.model_copy(update={"epochs": epochs, "least_steps": least})
    assert preset.passes(images) == passes


def test_a_preset_teaches_its_judge_for_a_while_however_few_images_there_are() -> None:
    preset = TINY.model_copy(update={"judge_epochs": 2, "judge_least_steps": 40})
    assert preset.judge_steps(64) == 40
    assert preset.judge_steps(6400) == 400


def test_too_few_images_are_refused_with_the_numbers() -> None:
    with pytest.raises(ValueError, match="9 training images do not fill one batch of 10"):
        EpochBatches(9, 10, seed=0)


def test_rows_and_labels_stay_together() -> None:
    data = pictures(50)
    for pixels, labels in training_loader(data, 8, seed=0)[0]:
        assert pixels.dtype == torch.uint8
        assert pixels.shape == (8, 1, 16, 16)
        bright = pixels[:, 0, 0, 0] > 100
        assert bright.tolist() == (labels[:, 1] > 0.5).tolist()


def test_endless_batches_go_through_epoch_after_epoch() -> None:
    data = pictures(21)
    seen = [labels for _, labels in islice(endless_batches(data, 10, seed=2), 4)]
    assert [len(labels) for labels in seen] == [10] * 4
    assert not torch.equal(torch.cat(seen[:2]), torch.cat(seen[2:]))


def test_ordered_batches_hold_everything_once() -> None:
    data = pictures(21)
    batches = [pixels for pixels, _ in ordered_loader(data, 8)]
    assert [len(batch) for batch in batches] == [8, 8, 5]
    together = torch.cat(batches).permute(0, 2, 3, 1).numpy()
    np.testing.assert_array_equal(together, data.images)


def test_scaling_is_that_of_the_bundle() -> None:
    from bundle.pixels import to_unit as served  # noqa: PLC0415  (only this test compares with it)

    levels = np.arange(256, dtype=np.uint8)
    np.testing.assert_allclose(to_unit(torch.from_numpy(levels)).numpy(), served(levels))
