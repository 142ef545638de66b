"""A request's body by its Content-Type: compressed images, arrays and parameters, told apart.

raw image | multipart | JSON | npy, and the URL → Inputs(images, latents, groups, fields)

Knows the body formats, and nothing of pixels: images stay compressed here.

1. Nothing is fetched: an image is in the body or nowhere.
2. Item counts are checked before any item is looked at.
3. No more JSON objects and arrays are made than a request of ``max_items`` can need.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import orjson

from inference import arrays, images
from inference.errors import InvalidRequest, UnsupportedMediaType
from service.groups import GROUP_FIELDS, Groups, group_files, is_group, joined, take_groups
from service.items import Items, decode_base64, too_many
from service.multipart import MULTIPART, read_parts
from service.parameters import from_text, merge
from service.wire import JSON

if TYPE_CHECKING:
    from service.wire import Request

NPY = "application/x-npy"
IMAGES = frozenset({"images"})
LATENTS = frozenset({"latents"})
GROUPS = frozenset(GROUP_FIELDS)
_IMAGE_FIELDS = ("images", "image")
_SPARE_BRACKETS = 1024
_STACKED_AXES = 4


@dataclass(slots=True)
class Inputs(Items):
    """What a request gave.

    Attributes:
        groups: By the field's name, where the route takes groups.
        fields: All other fields, by name.
    """

    groups: Groups = field(default_factory=dict)
    fields: dict[str, object] = field(default_factory=dict)


def read_inputs(
    request: Request, takes: frozenset[str], max_items: int, *, raw: bool = True
) -> Inputs:
    """The inputs of ``request``; of a large body, to be run off the event loop.

    Args:
        request: Its body may be empty where the route takes nothing.
        takes: Of `IMAGES`, `LATENTS` and `GROUPS` those that the route takes, or none.
        max_items: The most images and latents.
        raw: Whether one image is a whole request, and so may be the body itself.

    Raises:
        UnsupportedMediaType: The route does not read such a body; the message lists those it does.
        InvalidRequest: The body is empty or cannot be parsed, or a field is given twice.
        InvalidImage: An image is empty or not base64.
        TooManyItems: More than ``max_items``.
    """
    in_url = from_text(request.query)
    media_type = request.media_type
    readable = body_types(takes, raw=raw)
    known = media_type in readable or (media_type.startswith("image/") and raw and takes >= IMAGES)
    if not request.body and (not media_type or known or not takes):
        if takes:
            raise InvalidRequest(
                f"the body is empty; send {' or '.join(sorted(takes))} as {', '.join(readable)}"
            )
        return Inputs(fields=in_url)
    if not known:
        raise UnsupportedMediaType(
            f"Content-Type is {media_type[:100] or 'missing'!r}, but this route reads "
            f"{', '.join(readable)}; name the body's own type",
            details={"readable": list(readable)},
        )
    if media_type == JSON:
        inputs = _from_json(request.body, takes, max_items)
    elif media_type == MULTIPART:
        inputs = _from_multipart(request, takes, max_items)
    elif media_type == NPY:
        inputs = _from_npy(request.body, takes, max_items)
    else:
        inputs = Inputs(images=[request.body])
    inputs.fields = merge(inputs.fields, in_url)
    _check_count(inputs, max_items)
    return inputs


def body_types(takes: frozenset[str], *, raw: bool = True) -> tuple[str, ...]:
    """The media types that a route reads, for messages and the OpenAPI document."""
    return (
        *(images.INPUT_MEDIA_TYPES if raw and takes >= IMAGES else ()),
        JSON,
        MULTIPART,
        *((NPY,) if takes else ()),
    )


def parse_json(body: bytes) -> dict[str, Any]:
    """A JSON object; NaN and Infinity are no JSON and are refused.

    Raises:
        InvalidRequest: Not JSON, or not an object.
    """
    try:
        document = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise InvalidRequest(
            f"the body is not JSON: {error.msg} at line {error.lineno}, column {error.colno} "
            "(NaN and Infinity are no JSON either); correct it"
        ) from None
    if not isinstance(document, dict):
        raise InvalidRequest(
            f"the body is a JSON {type(document).__name__}, but must be an object with named fields"
        )
    return document


def _from_json(body: bytes, takes: frozenset[str], max_items: int) -> Inputs:
    _check_brackets(body.count(b"[") + body.count(b"{"), takes, max_items)
    fields = parse_json(body)
    inputs = Inputs(fields=fields)
    if "images" in takes and "images" in fields:
        inputs.images = _images(fields.pop("images"), max_items)
    if "latents" in takes and "latents" in fields:
        inputs.latents = fields.pop("latents")
    if takes >= GROUPS:
        inputs.groups = take_groups(fields, max_items)
    return inputs


def _check_brackets(brackets: int, takes: frozenset[str], max_items: int) -> None:
    # An empty array is two bytes here and fifty in memory. A bracket within a text counts too, so
    # there is room for some. A group may be around each item.
    limit = (2 if takes >= GROUPS else 1) * max_items + _SPARE_BRACKETS
    if brackets > limit:
        raise too_many(f"{brackets} arrays and objects in its JSON", limit)


def _images(values: object, max_items: int) -> list[bytes]:
    if not isinstance(values, list):
        raise InvalidRequest(
            f"images is a JSON {type(values).__name__}, but must be a list of base64 texts"
        )
    if len(values) > max_items:
        raise too_many(f"{len(values)} images", max_items)
    return decode_base64(values, "images")


def _from_npy(body: bytes, takes: frozenset[str], max_items: int) -> Inputs:
    array = arrays.read_npy(body, max_items=max_items)
    are_images = array.dtype == np.uint8 if len(takes) > 1 else takes == IMAGES
    if are_images:
        items = Items(images=array if array.ndim == _STACKED_AXES else array[None])
    else:
        items = Items(latents=array)
    if takes >= GROUPS:
        return Inputs(groups={GROUP_FIELDS[0]: [items]})
    return Inputs(items.images, items.latents)


def _from_multipart(request: Request, takes: frozenset[str], max_items: int) -> Inputs:
    texts: dict[str, str] = {}
    files: list[tuple[str, bytes]] = []
    for name, value in read_parts(request, max_items):
        wanted = (takes >= IMAGES and name in _IMAGE_FIELDS) or (takes >= GROUPS and is_group(name))
        if isinstance(value, bytes):
            if not wanted:
                named = " and ".join(sorted(takes - LATENTS)) or "no files"
                raise InvalidRequest(f"file part {name[:60]!r}: this route takes {named}")
            files.append((name, value))
        elif name in _IMAGE_FIELDS:
            raise InvalidRequest(
                f"part {name!r} is text, but must be a file with a filename (curl -F image=@…)"
            )
        elif name in texts:
            raise InvalidRequest(f"part {name[:60]!r} is given twice; give it once")
        else:
            texts[name] = value
    brackets = sum(text.count("[") + text.count("{") for text in texts.values())
    _check_brackets(brackets, takes, max_items)
    inputs = Inputs(fields=from_text(texts))
    if takes >= GROUPS:
        inputs.groups = joined(take_groups(inputs.fields, max_items), group_files(files))
    elif files:
        inputs.images = [content for _, content in files]
    if "latents" in takes and "latents" in inputs.fields:
        inputs.latents = inputs.fields.pop("latents")
    return inputs


def _check_count(inputs: Inputs, max_items: int) -> None:
    in_groups = sum(map(len, itertools.chain.from_iterable(inputs.groups.values())))
    if in_groups > max_items:
        raise too_many(f"{in_groups} images and latents in its groups", max_items)
    for name, items in (("images", inputs.images), ("latents", inputs.latents)):
        count = len(items) if isinstance(items, list | np.ndarray) else None
        if count == 0:
            raise InvalidRequest(f"{name} is empty; send at least one")
        if count is not None and count > max_items:
            raise too_many(f"{count} {name}", max_items)
