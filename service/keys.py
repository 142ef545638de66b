"""API keys: what a line about one says, and the ring in which a caller's key is looked up.

"name:sha256[:max_items=N]" lines → Key → KeyRing;  the key that a caller sent → Key | None

Knows no file, no HTTP and no gRPC.

1. A key itself is kept nowhere, only its SHA-256; no message quotes either.
2. How long a look-up takes tells nothing of the keys there are.

A plain SHA-256 is right here, and a slow, salted hash would be wrong: that protects passwords,
which people choose and lists hold. A key of 256 random bits is on no list, and every request hashes
one.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

MAX_KEYS = 10_000
_PREFIX = "lsk_"
_RANDOM_BYTES = 32
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_DIGEST = re.compile(r"[0-9a-fA-F]{64}")
_LIMIT = re.compile(r"max_items=([1-9][0-9]{0,6})")
_FORM = "name:sha256 or name:sha256:max_items=N (`latentserve keys new NAME` writes one)"


class KeysError(ValueError):
    """Keys that cannot be used; the message says which line is wrong, and quotes no key."""


@dataclass(frozen=True, slots=True)
class Key:
    """One key, without the key.

    Attributes:
        name: Whom logs, metrics and fairness go by; several keys may have one name.
        digest: SHA-256 of the key, 32 bytes.
        max_items: Items that its name may have in one worker at a time; None for no limit.
    """

    name: str
    digest: bytes
    max_items: int | None = None

    def line(self) -> str:
        """The line of the file that this key is read from."""
        limit = "" if self.max_items is None else f":max_items={self.max_items}"
        return f"{self.name}:{self.digest.hex()}{limit}"


_NOBODY = Key("", bytes(hashlib.sha256().digest_size))


class KeyRing:
    """Keys by their digest.

    Attributes:
        names: Of all keys, sorted, each once.
    """

    def __init__(self, keys: Iterable[Key]) -> None:
        """Put ``keys`` on the ring.

        Raises:
            KeysError: A key is there twice, a name has two limits, or there are too many.
        """
        self._by_digest: dict[bytes, Key] = {}
        limits: dict[str, int | None] = {}
        for key in keys:
            twin = self._by_digest.setdefault(key.digest, key)
            if twin is not key:
                raise KeysError(f"{twin.name!r} and {key.name!r} have the same key; remove one")
            limit = limits.setdefault(key.name, key.max_items)
            if limit != key.max_items:
                raise KeysError(
                    f"keys of {key.name!r} have max_items {limit} and {key.max_items}; a name has "
                    "one limit, so give all its keys the same"
                )
        if len(self._by_digest) > MAX_KEYS:
            raise KeysError(
                f"there are {len(self._by_digest)} keys, the limit is {MAX_KEYS}; remove old ones"
            )
        self.names = tuple(sorted(limits))

    def __len__(self) -> int:
        """How many keys there are."""
        return len(self._by_digest)

    def __eq__(self, other: object) -> bool:
        """Whether the keys are the same, names and limits included."""
        return isinstance(other, KeyRing) and self._by_digest == other._by_digest

    __hash__ = None  # type: ignore[assignment]  # as for any class with `__eq__` and no hash

    def find(self, sent: bytes) -> Key | None:
        """The key that was sent, or None; as fast for a wrong key as for a right one."""
        digest = digest_of(sent)
        # A caller cannot choose the bytes of a digest, and Python's hash of them has a secret seed:
        # the look-up gives away nothing that a guess could be improved by. The comparison that
        # decides takes the same time for every digest.
        key = self._by_digest.get(digest, _NOBODY)
        return key if hmac.compare_digest(key.digest, digest) else None


def digest_of(sent: bytes) -> bytes:
    """SHA-256 of a key, 32 bytes."""
    return hashlib.sha256(sent).digest()


def new_key(name: str, max_items: int | None = None) -> tuple[str, Key]:
    """A new random key of 256 bits: itself, and what is kept of it.

    Raises:
        KeysError: The name is none, or the limit is below 1.
    """
    if not _NAME.fullmatch(name):
        raise KeysError(_wrong_name(name))
    if max_items is not None and not _LIMIT.fullmatch(f"max_items={max_items}"):
        raise KeysError(f"max_items is {max_items}; it must lie from 1 to 9999999")
    text = _PREFIX + secrets.token_urlsafe(_RANDOM_BYTES)
    return text, Key(name, digest_of(text.encode()), max_items)


def parse_lines(text: str) -> list[Key]:
    """The keys of a file: one a line; blank lines and what follows a # are passed over.

    Raises:
        KeysError: A line is wrong; the message has its number.
    """
    keys = []
    for number, line in enumerate(text.splitlines(), 1):
        content = line.partition("#")[0].strip()
        if content:
            keys.append(_parse(content, f"line {number}"))
    return keys


def parse_list(text: str) -> list[Key]:
    """Keys between commas, each as in a file, or the key itself.

    A key itself is named after its digest: ``key-`` and eight hexadecimal digits.

    Raises:
        KeysError: An entry is wrong; the message has its number.
    """
    keys = []
    for number, entry in enumerate(text.split(","), 1):
        content = entry.strip()
        if ":" in content:
            keys.append(_parse(content, f"entry {number}"))
        elif content:
            if not (content.isascii() and content.isprintable() and " " not in content):
                raise KeysError(
                    f"entry {number} has characters that no header can carry; a key is made of "
                    "letters, digits and - _ . ~ + /"
                )
            digest = digest_of(content.encode())
            keys.append(Key(f"key-{digest.hex()[:8]}", digest))
    return keys


def _parse(content: str, where: str) -> Key:
    name, _, rest = content.partition(":")
    digest, _, limit = rest.partition(":")
    if not _DIGEST.fullmatch(digest.strip()):
        # Whoever wrote the key itself here must not find it in a log.
        raise KeysError(f"{where} has no SHA-256 of 64 hexadecimal digits; it must be {_FORM}")
    if not _NAME.fullmatch(name.strip()):
        raise KeysError(f"{where}: {_wrong_name(name)}")
    found = _LIMIT.fullmatch(limit.strip()) if limit else None
    if limit and found is None:
        raise KeysError(
            f"{where}, of {name!r}: what follows the hash must be max_items=N, N from 1 to 9999999"
        )
    return Key(name.strip(), bytes.fromhex(digest.strip()), int(found[1]) if found else None)


def _wrong_name(name: str) -> str:
    return (
        f"the name {name[:70]!r} is none: it has 1 to 64 letters, digits and . _ -, and begins "
        "with a letter or digit"
    )
