"""The error table is total, and an error carries what every transport needs."""

from __future__ import annotations

import pickle
import weakref
from http import HTTPStatus

import pytest

from inference import errors
from inference.errors import (
    ERRORS,
    ErrorRow,
    InferenceFailed,
    QueueFull,
    ServingError,
    UnknownAttribute,
)

GRPC_STATUSES = {
    "INVALID_ARGUMENT",
    "UNAUTHENTICATED",
    "NOT_FOUND",
    "UNIMPLEMENTED",
    "RESOURCE_EXHAUSTED",
    "INTERNAL",
    "UNAVAILABLE",
    "DEADLINE_EXCEEDED",
}
CLASSES = [
    value
    for value in vars(errors).values()
    if isinstance(value, type) and issubclass(value, ServingError) and "slug" in vars(value)
]


def test_every_class_has_a_row_and_every_row_one_class() -> None:
    slugs = [error.slug for error in CLASSES]

    assert sorted(slugs) == sorted(ERRORS)
    assert len(set(slugs)) == len(slugs)


def test_only_the_bases_have_no_slug() -> None:
    bases = {
        value.__name__
        for value in vars(errors).values()
        if isinstance(value, type) and issubclass(value, ServingError) and value not in CLASSES
    }

    assert bases == {"ServingError", "TryLaterError"}


@pytest.mark.parametrize("row", ERRORS.values(), ids=lambda row: row.slug)
def test_rows_hold_statuses_that_exist(row: ErrorRow) -> None:
    assert ERRORS[row.slug] is row
    assert HTTPStatus(row.http_status) >= HTTPStatus.BAD_REQUEST
    assert row.grpc_status in GRPC_STATUSES
    assert row.retry in {"no", "yes", "maybe", "smaller", "larger deadline"}


@pytest.mark.parametrize("error", CLASSES, ids=lambda error: error.slug)
def test_only_a_busy_server_says_when_to_come_back(error: type[ServingError]) -> None:
    assert (error("told").retry_after_s is not None) == (ERRORS[error.slug].retry == "yes")


@pytest.mark.parametrize("error", CLASSES, ids=lambda error: error.slug)
def test_an_error_has_its_rows_statuses(error: type[ServingError]) -> None:
    row, raised = ERRORS[error.slug], error("limit 3, this has 4")

    assert (raised.http_status, raised.grpc_status) == (row.http_status, row.grpc_status)
    assert raised.message == str(raised) == "limit 3, this has 4"


def test_details_are_kept_apart_from_the_message() -> None:
    assert UnknownAttribute("no", details={"nearest": ["smile"]}).details == {"nearest": ["smile"]}
    assert InferenceFailed("no").details == {}


def test_an_error_comes_back_whole_from_another_process() -> None:
    error = QueueFull("full", retry_after_s=2.5, details={"queued": 7})

    copy = pickle.loads(pickle.dumps(error))  # noqa: S301  (our own bytes)

    assert isinstance(copy, QueueFull)
    assert (copy.message, copy.retry_after_s, copy.details) == ("full", 2.5, {"queued": 7})


def test_the_table_cannot_be_changed() -> None:
    with pytest.raises(TypeError):
        ERRORS["mine"] = ERRORS["queue_full"]  # type: ignore[index]


class Large:
    """What a frame may hold."""


def test_an_error_without_frames_holds_nothing_of_them() -> None:
    def fail(held: Large) -> None:
        try:
            int(repr(held))
        except ValueError as cause:
            raise UnknownAttribute("no such", details={"nearest": "smile"}) from cause

    held = Large()
    gone = weakref.ref(held)
    try:
        fail(held)
    except UnknownAttribute as error:
        kept = error.without_frames()
    del held
    assert gone() is None
    assert (kept.message, kept.details) == ("no such", {"nearest": "smile"})
    assert isinstance(kept.__cause__, ValueError)
