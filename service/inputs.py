"""A request's body by its Content-Type: compressed images, arrays and parameters, told apart.

raw image | multipart | JSON | npy, and the URL → Inputs(images as bytes or array, latents, fields)

Knows the five body formats, and nothing of pixels: images stay compressed here.

1. Nothing is fetched: an image is in the body or nowhere.
2. Item counts are checked before any item is looked at.
3. Multipart stays in memory: the body is bounded already, and no part touches a disk.
4. No more JSON objects and arrays are made than a request of ``max_items`` can need.
"""

from __future__ import annotations

import binascii
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeVar, cast

import numpy as np
import orjson
from python_multipart.multipart import parse_options_header
from starlette.datastructures import Headers, UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser

from inference import arrays, images
from inference.errors import InvalidImage, InvalidRequest, TooManyItems, UnsupportedMediaType
from service.parameters import from_text, merge
from service.wire import JSON

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Coroutine, Mapping

    from numpy.typing import NDArray

    from service.wire import Request

T = TypeVar("T")
NPY = "application/x-npy"
MULTIPART = "multipart/form-data"
_IMAGE_FIELDS = ("images", "image")
_MAX_FIELDS = 64
_SPARE_BRACKETS = 1024
_STACKED_AXES = 4


@dataclass(slots=True)
class Inputs:
    """What a request gave.

    Attributes:
        images: Compressed images, or one uint8 array [N, h, w, C]; None if it gave none.
        latents: JSON rows or a float array [N, L], not checked yet; None if it gave none.
        fields: All other fields, by name.
    """

    images: list[bytes] | NDArray[np.uint8] | None = None
    latents: object | None = None
    fields: dict[str, object] = field(default_factory=dict)


def read_inputs(request: Request, takes: frozenset[str], max_items: int) -> Inputs:
    """The inputs of ``request``; of a large body, to be run off the event loop.

    Args:
        request: Its body may be empty where the route takes neither images nor latents.
        takes: ``images``, ``latents``, both or neither.
        max_items: The most images or latents.

    Raises:
        UnsupportedMediaType: The route does not read such a body; the message lists those it does.
        InvalidRequest: The body is empty or cannot be parsed, or a field is given twice.
        InvalidImage: An image is empty or not base64.
        TooManyItems: More than ``max_items``.
    """
    in_url = from_text(request.query)
    media_type = request.media_type
    readable = body_types(takes)
    known = media_type in readable or (media_type.startswith("image/") and "images" in takes)
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


def body_types(takes: frozenset[str]) -> tuple[str, ...]:
    """The media types that a route reads, for messages and the OpenAPI document."""
    return (
        *(images.INPUT_MEDIA_TYPES if "images" in takes else ()),
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
    # An empty array is two bytes here and fifty in memory. A bracket within a text counts too, so
    # there is room for some.
    limit = max_items + _SPARE_BRACKETS
    brackets = body.count(b"[") + body.count(b"{")
    if brackets > limit:
        raise _too_many(f"{brackets} arrays and objects in its JSON", limit)
    fields = parse_json(body)
    inputs = Inputs()
    if "images" in takes and "images" in fields:
        inputs.images = _decode_base64(fields.pop("images"), max_items)
    if "latents" in takes and "latents" in fields:
        inputs.latents = fields.pop("latents")
    inputs.fields = fields
    return inputs


def _decode_base64(values: object, max_items: int) -> list[bytes]:
    if not isinstance(values, list):
        raise InvalidRequest(
            f"images is a JSON {type(values).__name__}, but must be a list of base64 texts"
        )
    if len(values) > max_items:
        raise _too_many(f"{len(values)} images", max_items)
    decoded = []
    for index, value in enumerate(values):
        if not isinstance(value, str):
            raise InvalidRequest(
                f"images[{index}] is a JSON {type(value).__name__}, but must be a base64 text"
            )
        try:
            decoded.append(binascii.a2b_base64(value.encode("ascii"), strict_mode=True))
        except (binascii.Error, UnicodeEncodeError) as error:
            raise InvalidImage(
                f"images[{index}] is not base64 ({error}): {value[:40]!r}; send the image's bytes "
                "as plain base64, without a data: prefix or line breaks"
            ) from None
    return decoded


def _from_npy(body: bytes, takes: frozenset[str], max_items: int) -> Inputs:
    array = arrays.read_npy(body, max_items=max_items)
    if "images" in takes and ("latents" not in takes or array.dtype == np.uint8):
        return Inputs(images=array if array.ndim == _STACKED_AXES else array[None])
    return Inputs(latents=array)


def _from_multipart(request: Request, takes: frozenset[str], max_items: int) -> Inputs:
    inputs = Inputs()
    texts: dict[str, str] = {}
    files: list[bytes] = []
    for name, value in _run(_parse_multipart(request, max_items)):
        if isinstance(value, bytes):
            if name not in _IMAGE_FIELDS or "images" not in takes:
                wanted = "images" if "images" in takes else "no files"
                raise InvalidRequest(f"file part {name[:60]!r}: this route takes {wanted}")
            files.append(value)
        elif name in _IMAGE_FIELDS:
            raise InvalidRequest(
                f"part {name!r} is text, but must be a file with a filename (curl -F image=@…)"
            )
        elif name in texts:
            raise InvalidRequest(f"part {name[:60]!r} is given twice; give it once")
        else:
            texts[name] = value
    inputs.images = files or None
    inputs.fields = from_text(texts)
    if "latents" in takes and "latents" in inputs.fields:
        inputs.latents = inputs.fields.pop("latents")
    return inputs


async def _parse_multipart(request: Request, max_items: int) -> list[tuple[str, bytes | str]]:
    if not _is_whole(request):
        raise InvalidRequest(
            "the multipart body lacks its closing boundary: it was cut short, or names another "
            "boundary than its Content-Type; send it again"
        )
    parser = MultiPartParser(
        _headers(request.headers),
        _one_chunk(request.body),
        max_files=max_items,
        max_fields=_MAX_FIELDS,
        max_part_size=len(request.body),
    )
    parser.spool_max_size = len(request.body) + 1
    try:
        form = await parser.parse()
    except MultiPartException as error:
        if error.message.startswith("Too many files"):
            raise _too_many(f"more than {max_items} files", max_items) from None
        raise InvalidRequest(f"the multipart body cannot be read: {error.message}") from None
    except (KeyError, ValueError) as error:
        raise InvalidRequest(
            "the multipart body cannot be read: its Content-Type names no boundary, or a part has "
            "a broken header; let the HTTP client write both"
        ) from error
    try:
        return [
            (name, value.file.read() if isinstance(value, UploadFile) else value)
            for name, value in form.multi_items()
        ]
    finally:
        await form.close()


def _is_whole(request: Request) -> bool:
    """Whether the closing boundary came; the parser takes what there is."""
    _, options = parse_options_header(request.headers.get(b"content-type", b""))
    boundary = options.get(b"boundary")
    return not boundary or b"--" + boundary + b"--" in request.body


def _run(coroutine: Coroutine[Any, Any, T]) -> T:
    """The result of a coroutine that never waits: all that the parser reads is here."""
    try:
        coroutine.send(None)
    except StopIteration as end:
        return cast("T", end.value)
    coroutine.close()
    raise RuntimeError("the multipart parser waited for something")


async def _one_chunk(body: bytes) -> AsyncGenerator[bytes, None]:
    yield body
    yield b""


def _headers(headers: Mapping[bytes, bytes]) -> Headers:
    return Headers(raw=list(headers.items()))


def _check_count(inputs: Inputs, max_items: int) -> None:
    for name, items in (("images", inputs.images), ("latents", inputs.latents)):
        count = len(items) if isinstance(items, list | np.ndarray) else None
        if count == 0:
            raise InvalidRequest(f"{name} is empty; send at least one")
        if count is not None and count > max_items:
            raise _too_many(f"{count} {name}", max_items)


def _too_many(what: str, max_items: int) -> TooManyItems:
    return TooManyItems(
        f"the request has {what}, the limit is {max_items}; send them in several requests, or ask "
        "the operator to raise `max_items`",
        details={"limit": max_items},
    )
