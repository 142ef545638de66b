"""Accept headers: qualities, wildcards, and what cannot be answered."""

from __future__ import annotations

import pytest

from inference.errors import NotAcceptable
from service.negotiation import choose

OFFERS = ("image/png", "image/jpeg", "application/json")


@pytest.mark.parametrize(
    ("accept", "chosen"),
    [
        ("", "image/png"),
        ("*/*", "image/png"),
        ("image/*", "image/png"),
        ("application/*", "application/json"),
        ("application/json", "application/json"),
        ("IMAGE/JPEG", "image/jpeg"),
        ("image/png;q=0.5, application/json", "application/json"),
        ("image/png;q=0.5, application/json;q=0.4", "image/png"),
        ("text/html, application/xhtml+xml, */*;q=0.8", "image/png"),
        ("image/png;q=0, */*", "image/jpeg"),
        ("image/avif,image/webp,image/jpeg;q=0.9,*/*;q=0.1", "image/jpeg"),
    ],
)
def test_choice(accept: str, chosen: str) -> None:
    assert choose(accept, OFFERS) == chosen


@pytest.mark.parametrize("accept", ["text/html", "image/png;q=0", "image/png;q=high", "*", ",,"])
def test_an_impossible_accept_lists_the_offers(accept: str) -> None:
    with pytest.raises(NotAcceptable, match="image/png, image/jpeg, application/json") as caught:
        choose(accept, OFFERS)
    assert caught.value.details == {"offers": list(OFFERS)}


@pytest.mark.parametrize("quality", ["nan", "inf", "5", "1e3", "1_0", "-1", "1.1"])
def test_a_quality_that_is_none_counts_as_refused(quality: str) -> None:
    accept = f"image/png;q={quality}, image/jpeg;q=0.1"
    assert choose(accept, ("image/png", "image/jpeg")) == "image/jpeg"
