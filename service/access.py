"""Who may come in: the keys that this worker knows now, re-read when their file changes.

settings → KeyRing;  Authorization: Bearer … → the call's caller and limit | Unauthenticated

Knows the form of the header and the file; HTTP and gRPC each give it the header's text.

1. With no keys configured nobody is asked, and nothing is looked at.
2. A key that is missing and one that is unknown get the same answer.
3. The file that counts is the last one that could be read: a broken one, or none, changes nothing.
4. A file that can be read and holds no key lets nobody in.
"""

from __future__ import annotations

import asyncio
import logging
import stat
import time
from typing import TYPE_CHECKING, NamedTuple

from inference.errors import Unauthenticated
from service.keys import KeyRing, KeysError, parse_lines, parse_list

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from pydantic import SecretStr

    from inference.call import Call

logger = logging.getLogger("latentserve")
OPEN_PATHS = frozenset({"/livez", "/readyz", "/v2/health/live", "/v2/health/ready"})
OPEN_METHODS = frozenset(
    {
        "/grpc.health.v1.Health/Check",
        "/grpc.health.v1.Health/List",
        "/grpc.health.v1.Health/Watch",
        "/inference.GRPCInferenceService/ServerLive",
        "/inference.GRPCInferenceService/ServerReady",
    }
)
"""What health is asked by, over HTTP and over gRPC: it asks nobody for a key."""
MAX_FILE_BYTES = 4 << 20
_CHECK_EVERY_S = 1.0
_SETTLED_S = 2.0
"""A file that was changed less than this before it was read may change again unseen, since file
times are coarse: so it is read again."""
_MAX_SENT_BYTES = 1024
_SCHEME = b"bearer"


def _ignore(caller: str, slug: str) -> None:
    """Nobody counts."""


class _Stamp(NamedTuple):
    """What tells one state of a file from another."""

    inode: int
    size: int
    changed_ns: int


class Access:
    """The keys of one worker, and how many requests came with each name.

    Args:
        listed: Keys that stay for the life of the process, as `service.keys.parse_list` reads them.
        file: Of further keys; read by `open`, and by `refresh` when it changed.
        observe: Told of each answered request: the name of its key, and its error slug.
    """

    def __init__(
        self,
        listed: SecretStr | None,
        file: Path | None,
        *,
        observe: Callable[[str, str], None] = _ignore,
    ) -> None:
        """Nobody is let in before `open` where there are to be keys."""
        self._text = listed.get_secret_value() if listed is not None else ""
        self._file = file
        self._stamp: _Stamp | None = None
        self._complaint = ""
        self._ring = KeyRing(()) if self._text or file is not None else None
        self._known: set[str] = set()
        self._observe = observe

    @property
    def asks(self) -> bool:
        """Whether callers need a key."""
        return self._ring is not None

    @property
    def names(self) -> tuple[str, ...]:
        """Of all keys that are known now."""
        return self._ring.names if self._ring is not None else ()

    def open(self) -> None:
        """Take the keys in.

        Raises:
            KeysError: They are wrong, the file cannot be read, or there is no key at all.
        """
        if self._ring is None:
            return
        self._ring = KeyRing(parse_list(self._text)) if self._file is None else self._read()
        if not len(self._ring):
            raise KeysError(
                f"there is no key in {self._file or 'the list'}, so nobody could call; "
                "`latentserve keys new NAME` makes one"
            )
        self._known.update(self._ring.names)

    def admit(self, call: Call, authorization: bytes) -> None:
        """Give ``call`` the name and the limit of the key that came with it.

        Args:
            call: Of the request.
            authorization: The header's value, or nothing.

        Raises:
            Unauthenticated: Keys are asked for, and no known one came.
        """
        if self._ring is None:
            return
        scheme, _, sent = authorization[:_MAX_SENT_BYTES].strip().partition(b" ")
        key = self._ring.find(sent.strip())
        if key is None or scheme.lower() != _SCHEME:
            raise Unauthenticated(
                "no known API key came with the request; send one as `Authorization: Bearer <key>` "
                "(gRPC: in the metadata `authorization`), or ask the operator for one"
            )
        call.caller, call.max_items = key.name, key.max_items

    def admit_http(self, call: Call, path: str, headers: Mapping[bytes, bytes]) -> None:
        """As `admit`, for a request over HTTP; health needs no key.

        Raises:
            Unauthenticated: As in `admit`.
        """
        if self._ring is not None and path not in OPEN_PATHS:
            self.admit(call, headers.get(b"authorization", b""))

    def count(self, call: Call, slug: str) -> None:
        """Count a request that was answered, where keys are asked for."""
        if self._ring is not None:
            # A caller without a key goes by its address, of which there is no end.
            self._observe(call.caller if call.caller in self._known else "", slug)

    async def watch(self) -> None:
        """Look at the file once a second, for ever; returns at once if there is none."""
        while self._file is not None:
            await asyncio.sleep(_CHECK_EVERY_S)
            # A file may lie on a network, whose silence must not stop the event loop.
            await asyncio.to_thread(self.refresh)

    def refresh(self) -> None:
        """Take over the file's keys if it changed; whatever is wrong with it is logged once."""
        try:
            changed = self._stamp is None or self._facts() != self._stamp
            ring = self._read() if changed else self._ring
        except KeysError as error:
            if str(error) != self._complaint:
                self._complaint = str(error)
                logger.error("the API keys stay as they were: %s", error)  # noqa: TRY400  (no trace)
            return
        self._complaint = ""
        if ring is None or ring == self._ring:
            return
        self._ring = ring
        self._known.update(ring.names)
        level = logging.INFO if len(ring) else logging.WARNING
        logger.log(level, "API keys re-read: %d, of %s", len(ring), ", ".join(ring.names) or "-")

    def _facts(self) -> _Stamp:
        assert self._file is not None  # noqa: S101  (only asked where there is one)
        try:
            facts = self._file.stat()
        except OSError as error:
            raise KeysError(f"the keys' file {self._file}: {error.strerror}") from None
        if not stat.S_ISREG(facts.st_mode) or facts.st_size > MAX_FILE_BYTES:
            raise KeysError(
                f"the keys' file {self._file} must be a file of at most {MAX_FILE_BYTES} bytes"
            )
        return _Stamp(facts.st_ino, facts.st_size, facts.st_mtime_ns)

    def _read(self) -> KeyRing:
        file = self._file
        assert file is not None  # noqa: S101  (as above)
        stamp = self._facts()
        self._stamp = None
        try:
            with file.open("rb") as opened:
                text = opened.read(MAX_FILE_BYTES).decode()
            ring = KeyRing([*parse_list(self._text), *parse_lines(text)])
        except OSError as error:
            raise KeysError(f"the keys' file {file} cannot be read: {error.strerror}") from None
        except UnicodeDecodeError:
            raise KeysError(f"the keys' file {file} is no UTF-8 text; write it anew") from None
        except KeysError as error:
            raise KeysError(f"the keys' file {file} is wrong: {error}") from None
        if time.time() - stamp.changed_ns / 1e9 > _SETTLED_S:
            self._stamp = stamp
        return ring
