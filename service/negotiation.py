"""Which media type an answer takes: the Accept header against what a route offers.

Accept text, offers (best first) → the offer with the highest quality, the first among equals
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from inference.errors import NotAcceptable

if TYPE_CHECKING:
    from collections.abc import Sequence

_MAX_ACCEPT_BYTES = 1000
_QUALITY = re.compile(r"0(\.[0-9]*)?|1(\.0*)?|\.[0-9]+")


def choose(accept: str, offers: Sequence[str]) -> str:
    """The offer that ``accept`` prefers; the first offer if it names no preference.

    Raises:
        NotAcceptable: None of the offers is accepted; the message lists them.
    """
    if not accept or accept == "*/*":
        return offers[0]
    ranges = [_parse(part) for part in accept[:_MAX_ACCEPT_BYTES].lower().split(",")]
    rated = [(_quality(offer, ranges), -place, offer) for place, offer in enumerate(offers)]
    quality, _, best = max(rated)
    if quality <= 0:
        raise NotAcceptable(
            f"Accept is {accept[:100]!r}, but this route answers {', '.join(offers)}; "
            "ask for one of these",
            details={"offers": list(offers)},
        )
    return best


def _parse(part: str) -> tuple[str, float]:
    media_range, *parameters = (piece.strip() for piece in part.split(";"))
    for parameter in parameters:
        name, _, value = parameter.partition("=")
        if name.strip() == "q":
            # Not `float` alone, which reads nan, inf and 1_0 as well.
            value = value.strip()
            return media_range, float(value) if _QUALITY.fullmatch(value) else 0.0
    return media_range, 1.0


def _quality(offer: str, ranges: Sequence[tuple[str, float]]) -> float:
    by_precision = {offer: 3, offer.partition("/")[0] + "/*": 2, "*/*": 1}
    matches = [
        (by_precision[media_range], quality)
        for media_range, quality in ranges
        if media_range in by_precision
    ]
    return max(matches)[1] if matches else 0.0
