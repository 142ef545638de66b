"""What a request gave → arrays as the engine takes them.

compressed images | uint8 [N, h, w, C] → uint8 [N, H, W, C] of the model's shape, or own pictures
light compressed images → rows that are read where they are run
JSON rows | float [N, L] → float32 [N, L]

Knows the engine's words and no body format. Codecs run off the event loop.

1. Once one image turns out to be damaged, those that nobody has begun to decode never are.
2. Own pictures are held under a lease: their pixels are counted before any is decoded.
"""

from __future__ import annotations

import contextlib
import itertools
import reprlib
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from inference import arrays, images
from inference.codec import all_or_none
from inference.errors import (
    InvalidImage,
    InvalidRequest,
    ShapeMismatch,
    TooManyItems,
    UnsupportedMediaType,
)
from inference.ride import LazyRows
from service.groups import GROUP_FIELDS

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Generator, Sequence

    from numpy.typing import NDArray

    from inference.call import Call
    from inference.images import ImageLimits
    from service.groups import Groups
    from service.runtime import Runtime

    Pixels = NDArray[np.uint8]
    Latents = NDArray[np.float32]


async def rows_of_images(
    runtime: Runtime, given: list[bytes] | Pixels | None, call: Call
) -> Pixels | LazyRows:
    """As `load_images`; but light images are left to be read on the way into a batch.

    Raises:
        InvalidRequest: There are none.
        InvalidImage: As in `load_images`; of light ones when they are read.
    """
    if isinstance(given, list) and all(map(images.is_light, given)):
        return LazyRows(
            [
                partial(_decode_one, label, data, runtime)
                for label, data in zip(_numbered(given), given, strict=True)
            ]
        )
    return await load_images(runtime, given, call)


async def load_images(
    runtime: Runtime,
    given: list[bytes] | Pixels | None,
    call: Call,
    labels: Sequence[str] | None = None,
) -> Pixels:
    """Images of any kind → uint8 [N, H, W, C] of the model's own shape.

    Args:
        runtime: The worker's.
        given: Compressed images, or an array [N, h, w, C].
        call: Whose request it is.
        labels: What an error calls each image; "image 0", "image 1", … by default.

    Raises:
        InvalidRequest: There are none.
        InvalidImage: One cannot be decoded; the message says which.
    """
    spec = runtime.engine.bundle.manifest.image
    if given is None:
        raise InvalidRequest("field 'images' is missing; send at least one image")
    if isinstance(given, np.ndarray) and given.shape[1:] == spec.shape:
        return arrays.check_images(given, spec)
    runtime.engine.check_codec_room(call, len(given))
    if isinstance(given, np.ndarray):
        jobs = [runtime.engine.codec(call, images.fit, image, spec) for image in given]
    else:
        jobs = [
            runtime.engine.codec(call, _decode_one, label, data, runtime)
            for label, data in zip(labels or _numbered(given), given, strict=True)
        ]
    return np.stack(await all_or_none(jobs))


@contextlib.asynccontextmanager
async def own_pictures(
    runtime: Runtime, given: list[bytes] | Pixels | None, call: Call
) -> AsyncGenerator[list[Pixels]]:
    """The pictures as they are, uint8 [h, w, c] each and upright; leased while the context lasts.

    Raises:
        InvalidRequest: There are none.
        InvalidImage: As in `load_images`.
        PayloadTooLarge: They have more pixels together than a worker ever holds.
        QueueFull: They do not fit beside those of other requests now.
    """
    if given is None:
        raise InvalidRequest("field 'images' is missing; send at least one picture")
    engine, limits = runtime.engine, runtime.image_limits
    engine.check_codec_room(call, len(given))
    with runtime.pictures.lease(call.caller) as take:
        if isinstance(given, np.ndarray):
            take(given.size // max(1, given.shape[-1]))
            yield list(given)
            return
        take(sum(await engine.codec(call, _measure_all, given, limits)))
        jobs = [
            engine.codec(call, _read_one, label, data, limits)
            for label, data in zip(_numbered(given), given, strict=True)
        ]
        yield await all_or_none(jobs)


async def load_groups(
    runtime: Runtime, groups: Groups, call: Call
) -> dict[str, list[Pixels | Latents]]:
    """Groups of any kind → by field, arrays as `Engine.arithmetic` takes them.

    Raises:
        InvalidRequest: There is nothing to add.
        InvalidImage: As in `load_images`; the message says where.
        ShapeMismatch: Latents are not rows of L numbers; the message says of which group.
    """
    if not groups.get(GROUP_FIELDS[0]):
        raise InvalidRequest(
            "field 'add' is missing or empty; send at least one group of images or of latents"
        )
    named = [
        (f"{name}[{index}]", group)
        for name in GROUP_FIELDS
        for index, group in enumerate(groups.get(name, ()))
    ]
    compressed = [
        (f"{label}[{index}]", data)
        for label, group in named
        if isinstance(group.images, list)
        for index, data in enumerate(group.images)
    ]
    decoded = iter(())
    if compressed:
        labels, contents = zip(*compressed, strict=True)
        decoded = iter(await load_images(runtime, list(contents), call, labels))
    loaded: list[Pixels | Latents] = []
    for label, group in named:
        if isinstance(group.images, list):
            loaded.append(np.stack([*itertools.islice(decoded, len(group.images))]))
        elif group.images is not None:
            loaded.append(await load_images(runtime, group.images, call))
        else:
            with _located(label):
                loaded.append(load_latents(runtime, group.latents))
    added = len(groups[GROUP_FIELDS[0]])
    return dict(zip(GROUP_FIELDS, (loaded[:added], loaded[added:]), strict=True))


def load_latents(runtime: Runtime, given: object) -> Latents:
    """Latents as JSON rows or an array → float32 [N, L], finite.

    Raises:
        InvalidRequest: There are none, or a value is no finite number.
        ShapeMismatch: Not rows of L numbers.
    """
    dimension = runtime.engine.bundle.manifest.latent.dimension
    if given is None:
        raise InvalidRequest(f"field 'latents' is missing; send rows of {dimension} numbers")
    if isinstance(given, np.ndarray):
        return arrays.check_latents(given, dimension)
    return arrays.latents_from_lists(given, dimension)


def check_count(runtime: Runtime, count: int, field: str = "n") -> None:
    """Refuse a request for more than ``max_items`` images.

    Raises:
        TooManyItems: ``count``, which ``field`` asks for, is beyond the limit.
    """
    limit = runtime.settings.max_items
    if count > limit:
        raise TooManyItems(
            f"{field} is {reprlib.repr(count)}, the limit is {limit}; ask for them in several "
            "requests, or ask the operator to raise `max_items`",
            details={"limit": limit},
        )


def _numbered(given: Sequence[object]) -> list[str]:
    return [f"image {index}" for index in range(len(given))]


@contextlib.contextmanager
def _located(label: str) -> Generator[None]:
    """Say of an image's or a group's failure whose it was."""
    try:
        yield
    except (InvalidImage, UnsupportedMediaType, InvalidRequest, ShapeMismatch) as error:
        where = {"where": label}
        raise type(error)(
            f"{label}: {error.message}", details={**error.details, **where}
        ) from error


def _decode_one(label: str, data: bytes, runtime: Runtime) -> Pixels:
    with _located(label):
        return images.decode(data, runtime.engine.bundle.manifest.image, runtime.image_limits)


def _read_one(label: str, data: bytes, limits: ImageLimits) -> Pixels:
    with _located(label):
        return images.read(data, limits)


def _measure_all(given: Sequence[bytes], limits: ImageLimits) -> list[int]:
    sizes = []
    for label, data in zip(_numbered(given), given, strict=True):
        with _located(label):
            sizes.append(images.measure(data, limits))
    return sizes
