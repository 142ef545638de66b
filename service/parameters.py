"""The parameters of each route beside its images and latents: types, ranges, defaults.

JSON values, form and URL texts → one mapping → a frozen model, or an error that names the field

The models feed the OpenAPI document too. Text becomes typed by reading it as JSON once, so a
form and a JSON body are checked by the same strict rules.
"""

from __future__ import annotations

import reprlib
from itertools import islice
from typing import TYPE_CHECKING, Annotated, TypeVar

import orjson
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from inference.errors import InvalidRequest
from inference.interpolation import MIN_STEPS, PathName
from inference.latents import MAX_STRENGTH
from inference.sampling import MAX_TEMPERATURE, PriorName

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from pydantic_core import ErrorDetails


def _whole(value: object) -> object:
    """A float without a fraction as the integer that JSON Schema takes it for."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


_WHOLE = BeforeValidator(_whole)
Strength = Annotated[
    float,
    # The engine checks the bounds, with a message of its own; here they are told.
    Field(
        allow_inf_nan=False,
        json_schema_extra={"minimum": -MAX_STRENGTH, "maximum": MAX_STRENGTH},
    ),
]
MAX_SEED = (1 << 63) - 1
MAX_ENTRIES = 1024
"""Fields of a request, and entries of a field, before any is looked at: each wrong one would
become an error of its own."""
_SHOWN_CHARACTERS = 60


class Parameters(BaseModel):
    """No parameters."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class ImageParameters(Parameters):
    """Parameters of every route that answers with images."""

    columns: Annotated[int, Field(ge=1, le=4096), _WHOLE] | None = Field(
        None, description="Columns of the contact sheet, if several images go into one."
    )


class SampleParameters(ImageParameters):
    """Parameters of sampling."""

    n: Annotated[int, Field(ge=1), _WHOLE] = Field(
        1, description="How many images; `max_items` is the most."
    )
    seed: Annotated[int, Field(ge=0, le=MAX_SEED), _WHOLE] | None = Field(
        None, description="The same seed gives the same images; drawn anew if absent."
    )
    temperature: float = Field(
        1.0,
        ge=0,
        le=MAX_TEMPERATURE,
        allow_inf_nan=False,
        description="Spread about the prior's means; 1 is the prior itself.",
    )
    prior: PriorName = Field(
        "fitted",
        description="The prior fitted to the training images, or N(0, I), which a plain "
        "autoencoder does not have.",
    )
    attributes: dict[str, Strength] = Field(
        default_factory=dict, description="Strength of each attribute to add, by name."
    )


class ShiftParameters(ImageParameters):
    """Parameters of shifting attributes."""

    attributes: dict[str, Strength] = Field(
        description="Strength by attribute name: 1 moves the mean of the images without it "
        "to the mean of those with it."
    )
    detail: bool = Field(
        default=False,
        description="Whether to add only what the shift changes to the picture that was sent, at "
        "its own size; takes images, not latents.",
    )


class InterpolateParameters(ImageParameters):
    """Parameters of interpolation."""

    steps: Annotated[int, Field(ge=MIN_STEPS), _WHOLE] = Field(
        8, description="How many images, both ends included; `max_items` is the most."
    )
    path: PathName = Field(
        "linear",
        description="The straight line, or the great circle (spherical), on which points are as "
        "long as the ends are.",
    )


P = TypeVar("P", bound=Parameters)
_SHORT = reprlib.Repr()
_SHORT.maxstring = _SHORT.maxother = _SHORT.maxlong = 2 * _SHOWN_CHARACTERS


def from_text(texts: Mapping[str, str]) -> dict[str, object]:
    """Typed values of form or URL fields: JSON where a text is JSON, else the text itself."""
    return {name: _value(text) for name, text in texts.items()}


def merge(*sources: Mapping[str, object]) -> dict[str, object]:
    """All fields of a request's body and URL.

    Raises:
        InvalidRequest: Two sources give the same field.
    """
    merged: dict[str, object] = {}
    for source in sources:
        for name, value in source.items():
            if name in merged:
                raise InvalidRequest(f"{name!r} is given in the body and in the URL; give it once")
            merged[name] = value
    return merged


def check(model: type[P], values: Mapping[str, object], also_known: Iterable[str] = ()) -> P:
    """``values`` as parameters.

    Args:
        model: The route's parameters.
        values: What the request gave, without images and latents.
        also_known: Further fields of this route, for the message about an unknown one.

    Raises:
        InvalidRequest: A field is unknown, missing, of the wrong type or out of range.
    """
    _check_entries(values)
    try:
        return model.model_validate(values)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        raise InvalidRequest(_explain(first, model, also_known)) from None


def _check_entries(values: Mapping[str, object]) -> None:
    sizes = {"the request": len(values)} | {
        f"field {name[:_SHOWN_CHARACTERS]!r}": len(value)
        for name, value in islice(values.items(), MAX_ENTRIES)
        if isinstance(value, dict | list)
    }
    for where, size in sizes.items():
        if size > MAX_ENTRIES:
            raise InvalidRequest(
                f"{where} has {size} entries, the limit is {MAX_ENTRIES}; send what is needed"
            )


def _explain(error: ErrorDetails, model: type[Parameters], also_known: Iterable[str]) -> str:
    name = ".".join(str(part) for part in error["loc"])
    if error["type"] == "extra_forbidden":
        known = sorted({*model.model_fields, *also_known})
        return (
            f"unknown field {name[:_SHOWN_CHARACTERS]!r}; known are {', '.join(known)}; remove it"
        )
    if error["type"] == "missing":
        description = model.model_fields[name].description or ""
        return f"field {name!r} is missing; add it. {description}".rstrip()
    # A whole repr could be as large as the body.
    shown = _SHORT.repr(error["input"])
    if len(shown) > _SHOWN_CHARACTERS:
        shown = shown[:_SHOWN_CHARACTERS] + "…"
    must = error["msg"].removeprefix("Input ").replace("should", "must", 1)
    return f"field {name[:_SHOWN_CHARACTERS]!r} is {shown}, but {must}; correct it"


def _value(text: str) -> object:
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError:
        return text
