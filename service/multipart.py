"""multipart/form-data → its parts, in memory.

body, boundary → [(field, file's bytes | text), …]

Knows no field by name. The body is bounded already, and no part touches a disk.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar, cast

from python_multipart.multipart import parse_options_header
from starlette.datastructures import Headers, UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser

from inference.errors import InvalidRequest
from service.items import too_many

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Coroutine

    from service.wire import Request

T = TypeVar("T")
MULTIPART = "multipart/form-data"
_MAX_FIELDS = 64


def read_parts(request: Request, max_items: int) -> list[tuple[str, bytes | str]]:
    """The parts of a request's body; files as bytes, other fields as text.

    Raises:
        InvalidRequest: The body was cut short or cannot be read.
        TooManyItems: There are more than ``max_items`` files.
    """
    return _run(_parse(request, max_items))


async def _parse(request: Request, max_items: int) -> list[tuple[str, bytes | str]]:
    if not _is_whole(request):
        raise InvalidRequest(
            "the multipart body lacks its closing boundary: it was cut short, or names another "
            "boundary than its Content-Type; send it again"
        )
    parser = MultiPartParser(
        Headers(raw=list(request.headers.items())),
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
            raise too_many(f"more than {max_items} files", max_items) from None
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
