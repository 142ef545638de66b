"""Groups of images or latents, as arithmetic takes them: JSON lists, or files named by their group.

{"add": [["base64", …], [[0.1, …], …]]} → {"add": [Items(images), Items(latents)]}
files named add, add[1], subtract[7] → a group for each name

Knows nothing of pixels, and of latents only that a row is a list.

1. Items are counted before any is looked at.
2. A group holds images or latents, never both: their mean would be of neither.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from inference.errors import InvalidRequest
from service.items import Items, decode_base64, too_many

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

Groups = dict[str, list[Items]]
GROUP_FIELDS = ("add", "subtract")
_FILE_FIELD = re.compile(rf"({'|'.join(GROUP_FIELDS)})(\[[0-9]{{1,4}}\])?")
_CURE = "a list of groups, each a list of base64 images or of rows of latents"


def take_groups(fields: dict[str, object], max_items: int) -> Groups:
    """The groups among JSON ``fields``, which are taken out of them.

    Raises:
        InvalidRequest: Not lists of groups, or a group is empty or mixed.
        InvalidImage: An image is not base64.
        TooManyItems: All groups together hold more than ``max_items``.
    """
    lists = {name: _as_lists(name, fields.pop(name)) for name in GROUP_FIELDS if name in fields}
    count = sum(len(group) for groups in lists.values() for group in groups)
    if count > max_items:
        raise too_many(f"{count} images and latents in its groups", max_items)
    return {
        name: [_items(f"{name}[{index}]", group) for index, group in enumerate(groups)]
        for name, groups in lists.items()
    }


def is_group(field: str) -> bool:
    """Whether a file's field names a group: ``add``, ``subtract``, or one of them with a number."""
    return _FILE_FIELD.fullmatch(field) is not None


def group_files(files: Iterable[tuple[str, bytes]]) -> Groups:
    """Groups of files with their fields' names; files of one name are one group."""
    named: dict[str, list[bytes]] = {}
    for field, content in files:
        named.setdefault(field, []).append(content)
    groups: Groups = {}
    for field, contents in named.items():
        groups.setdefault(field.partition("[")[0], []).append(Items(images=contents))
    return groups


def joined(first: Mapping[str, list[Items]], second: Mapping[str, list[Items]]) -> Groups:
    """The groups of both."""
    return {
        name: [*first.get(name, ()), *second.get(name, ())]
        for name in GROUP_FIELDS
        if name in first or name in second
    }


def _as_lists(name: str, value: object) -> list[list[object]]:
    if not isinstance(value, list):
        raise InvalidRequest(f"{name} is a JSON {type(value).__name__}, but must be {_CURE}")
    for index, group in enumerate(value):
        if not isinstance(group, list):
            raise InvalidRequest(
                f"{name}[{index}] is a JSON {type(group).__name__}, but {name} must be {_CURE}"
            )
        if not group:
            raise InvalidRequest(f"{name}[{index}] is an empty group; drop it or fill it")
    return value


def _items(label: str, group: list[object]) -> Items:
    kinds = {type(item) for item in group}
    if kinds == {list}:
        return Items(latents=group)
    if kinds == {str}:
        return Items(images=decode_base64(group, label))
    if kinds == {list, str}:
        raise InvalidRequest(f"{label} mixes images and latents; give each a group of their own")
    index, wrong = next((i, item) for i, item in enumerate(group) if type(item) not in {list, str})
    raise InvalidRequest(
        f"{label}[{index}] is a JSON {type(wrong).__name__}, but must be a base64 image or a row "
        "of numbers"
    )
