"""Why a job cannot begin or go on. What is wrong with one item is a `batch.items.Failure`."""

from __future__ import annotations


class BatchError(ValueError):
    """The job cannot begin or go on; the message names the cause and the cure."""


def cannot_write(path: object, error: OSError) -> BatchError:
    """``path`` could not be written; what is complete stays, so the same command goes on."""
    return BatchError(
        f"{path} cannot be written: {error.strerror or error}; make room or choose another --out, "
        "then run the same command: it goes on from the last complete shard"
    )
