"""Runs a program as a container would: as a user without rights, on files that it cannot change.

command → setpriv → the command under a free user id, able to read what root reads, to write nothing
"""

from __future__ import annotations

import os
import shutil
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

UNPRIVILEGED_ID = 64_999
"""A user and group id that no account has."""


def unprivileged() -> tuple[str, ...]:
    """The words to put before a command; none where the tests do not run as root."""
    if os.getuid() != 0 or shutil.which("setpriv") is None:
        return ()
    # The interpreter may lie in root's own home, so reading stays allowed; writing does not.
    reads = "-all,+dac_read_search"
    return (
        *("setpriv", "--reuid", str(UNPRIVILEGED_ID), "--regid", str(UNPRIVILEGED_ID)),
        *("--clear-groups", "--no-new-privs", "--inh-caps", reads, "--ambient-caps", reads),
    )


def make_read_only(root: Path) -> None:
    """Take away everybody's right to write under ``root``."""
    for path in (root, *root.rglob("*")):
        if not path.is_symlink():
            path.chmod(path.stat().st_mode & ~0o222)


def give_away(folder: Path) -> None:
    """Let `unprivileged` commands write to ``folder``."""
    if unprivileged():
        os.chown(folder, UNPRIVILEGED_ID, UNPRIVILEGED_ID)
