from __future__ import annotations

import math

import pytest
import torch
from torch import nn

from tests.support.pictures import TINY
from training.directions import mean_directions
from training.label_losses import head_loss, label_losses, order_loss


def test_a_head_that_knows_nothing_loses_one_bit_an_attribute() -> None:
    labels = torch.tensor([[0.0, 1.0, 1.0], [1.0, 1.0, 0.0]])
    assert float(head_loss(torch.zeros(2, 3), labels)) == pytest.approx(3 * math.log(2))


def test_a_head_that_is_right_loses_nothing_and_one_that_is_wrong_its_certainty() -> None:
    labels = torch.tensor([[0.0, 1.0]])
    sure = torch.tensor([[-30.0, 30.0]])
    assert float(head_loss(sure, labels)) == pytest.approx(0.0, abs=1e-6)
    assert float(head_loss(-sure, labels)) == pytest.approx(60.0, rel=1e-5)


def test_labels_as_far_apart_as_they_can_be_cost_nothing_in_order() -> None:
    labels = torch.tensor([[0.0, 1.0], [1.0, 0.0], [1.0, 1.0], [0.0, 0.0]])
    mean = torch.cat((100 * labels, torch.randn(4, 3)), dim=1)
    assert float(order_loss(mean, labels)) == pytest.approx(0.0, abs=1e-6)
    # Each unlike pair (half of all) is then as wrong as it can be, by 2.
    assert float(order_loss(-mean, labels)) == pytest.approx(2 * 0.5 * 2.0, abs=1e-6)


def test_the_order_of_two_images_by_hand() -> None:
    mean = torch.tensor([[0.0, 9.0], [0.5, -9.0]])
    labels = torch.tensor([[0.0], [1.0]])
    # Two of the four pairs are of one image with itself and cost nothing.
    assert float(order_loss(mean, labels)) == pytest.approx((1 - math.tanh(0.5)) / 2)
    assert float(order_loss(mean, labels, sharpness=4)) == pytest.approx((1 - math.tanh(2)) / 2)


def test_a_collapsed_latent_feels_the_order() -> None:
    mean = torch.zeros(8, 3, requires_grad=True)
    labels = (torch.arange(8) % 2).float()[:, None]
    order_loss(mean, labels).backward()
    assert (mean.grad[:, 0].sign() == 1 - 2 * labels[:, 0]).all()
    assert not mean.grad[:, 1:].any()


def test_each_attribute_gets_a_latent_of_its_own_by_learning() -> None:
    torch.manual_seed(0)
    labels = (torch.rand(256, 2) < torch.tensor([0.3, 0.5])).float()
    seen = torch.cat((labels, torch.randn(256, 4)), dim=1) @ torch.randn(6, 6)
    encoder = nn.Linear(6, 4)
    optimiser = torch.optim.Adam(encoder.parameters(), lr=0.05)
    for _ in range(200):
        optimiser.zero_grad()
        order_loss(encoder(seen), labels).backward()
        optimiser.step()
    mean = encoder(seen).detach().numpy()
    rows = mean_directions(labels.numpy() > 0.5, mean)[:, :2]
    assert rows[0, 0] > 4 * abs(rows[0, 1])
    assert rows[1, 1] > 4 * abs(rows[1, 0])


def test_a_preset_that_weighs_nothing_has_no_losses() -> None:
    assert label_losses(TINY, 2) is None
    assert label_losses(TINY.model_copy(update={"head_weight": 1.0}), 0) is None


def test_the_weights_of_the_preset_multiply_the_losses() -> None:
    mean, labels = torch.randn(8, 4), (torch.arange(16) % 3 == 0).float().reshape(8, 2)
    both = label_losses(TINY.model_copy(update={"head_weight": 3.0, "order_weight": 5.0}), 2)
    assert both is not None
    expected = 3 * 2 * math.log(2) + 5 * float(order_loss(mean, labels))
    assert both(mean, labels).item() == pytest.approx(expected, rel=1e-5)


def test_a_head_alone_learns_what_a_plane_can_tell() -> None:
    torch.manual_seed(0)
    mean = torch.randn(200, 4)
    labels = torch.stack((mean[:, 0] > 0, mean[:, 1] + mean[:, 2] > 0), 1).float()
    losses = label_losses(TINY.model_copy(update={"head_weight": 2.0}), 2)
    assert losses is not None
    optimiser = torch.optim.Adam(losses.parameters(), lr=0.1)
    before = losses(mean, labels).item()
    for _ in range(100):
        optimiser.zero_grad()
        losses(mean, labels).backward()
        optimiser.step()
    assert losses(mean, labels).item() < 0.2 * before


def test_attributes_beyond_the_latents_are_not_ordered() -> None:
    mean, labels = torch.randn(8, 4), (torch.rand(8, 6) > 0.5).float()
    losses = label_losses(TINY.model_copy(update={"order_weight": 1.0}), 6)
    assert losses is not None
    expected = float(order_loss(mean, labels[:, :4]))
    assert losses(mean, labels).item() == pytest.approx(expected, rel=1e-5)
