"""Arithmetic, interpolation and class-to-class shifts as text, of one model or of several.

evaluations → tables; what was not measured gives none
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from cli.text_table import text_table
from training.evaluation.groups import expected

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from training.evaluation.classes import ClassShifts
    from training.evaluation.groups import Arithmetic, Group
    from training.evaluation.interpolations import Interpolation
    from training.evaluation.result import Evaluation

MISSING = "-"
NAME_WIDTH = 18
"""Longer names of classes are cut in front of their row."""
COLUMN_WIDTH = 6
"""Columns are headed by their classes if all names fit, else by the numbers of their rows."""
MOST_CLASSES = 24
"""With more the matrix is no longer legible, and only its sums are written."""


def move_tables(evaluations: Sequence[Evaluation]) -> list[str]:
    """All of them, for one model with intervals, for several side by side."""
    if len(evaluations) > 1:
        return [*_all_arithmetic(evaluations), *_all_ways(evaluations), *_all_classes(evaluations)]
    (one,) = evaluations
    found = [_arithmetic(one.arithmetic)] if one.arithmetic else []
    if one.interpolations:
        found.append(_ways(one.interpolations, one.ladders[0].extractor))
    return found + ([_classes(one.classes)] if one.classes else [])


def _formula(one: Arithmetic) -> str:
    """As "hat - both + beard = neither"; a name alone is that attribute without the other."""
    names = {(0, 0): "neither", (1, 1): "both", (1, 0): one.attributes[0]}
    names[0, 1] = one.attributes[1]
    plus, minus, also = one.formula

    def named(group: Group) -> str:
        return names[group]

    result = named(expected(one.formula))
    return f"{named(plus)} - {named(minus)} + {named(also)} = {result}"


def _arithmetic(found: Sequence[Arithmetic]) -> str:
    sizes = sorted({one.size for one in found})
    rates = {(_formula(one), one.size): one.success for one in found}
    rows = []
    for formula in dict.fromkeys(formula for formula, _ in rates):
        row = [formula]
        for size in sizes:
            rate = rates[formula, size]
            row += [f"{value:.3f}" for value in (rate.value, rate.low, rate.high)]
        rows.append(row)
    heading = ["Arithmetic"]
    for size in sizes:
        heading += [f"{size} images", "95 %", ""]
    first, other = found[0].attributes
    return (
        f"{text_table(heading, rows)}\n"
        f"share of {found[0].draws} draws of so many images of each group that are judged right in "
        f"both; {first} is\nwithout {other} and the reverse"
    )


def _all_arithmetic(evaluations: Sequence[Evaluation]) -> Iterator[str]:
    columns = [
        {f"{_formula(one)}, {one.size} images": one.success for one in evaluation.arithmetic}
        for evaluation in evaluations
    ]
    names = dict.fromkeys(name for column in columns for name in column)
    if names:
        rows = [
            [
                name,
                *(f"{column[name].value:.3f}" if name in column else MISSING for column in columns),
            ]
            for name in names
        ]
        yield text_table(["Arithmetic", *(e.model for e in evaluations)], rows)


def _ways(found: Sequence[Interpolation], extractor: str) -> str:
    rows = [
        [
            f"midpoints, {one.path}",
            f"{one.distance:.3f}",
            f"{one.inside:.3f}",
            *(f"{value:.2f}" for value in (one.step.value, one.step.low, one.step.high)),
        ]
        for one in found
    ]
    ends = found[0]
    rows.append(["one end, rebuilt", f"{ends.distance_ends:.3f}", f"{ends.inside_ends:.3f}"])
    rows[-1] += ["", "", ""]
    heading = ["Interpolation", f"FD-{extractor}", "inside", "step", "95 %", ""]
    return (
        f"{text_table(heading, rows)}\n"
        f"{ends.pairs} pairs, {ends.step_pairs} of them step by step; step: the longest over the "
        "mean, 1 is even"
    )


def _all_ways(evaluations: Sequence[Evaluation]) -> Iterator[str]:
    columns = [{one.path: one for one in e.interpolations} for e in evaluations]
    paths = dict.fromkeys(path for column in columns for path in column)
    rows = []
    for path in paths:
        ways = [column.get(path) for column in columns]
        rows += [
            [f"{path}: FD of midpoints", *(f"{w.distance:.3f}" if w else MISSING for w in ways)],
            [f"{path}: midpoints inside", *(f"{w.inside:.3f}" if w else MISSING for w in ways)],
            [f"{path}: longest step", *(f"{w.step.value:.2f}" if w else MISSING for w in ways)],
        ]
    if rows:
        ends = [next(iter(column.values()), None) for column in columns]
        rows += [
            ["one end, rebuilt: FD", *(f"{w.distance_ends:.3f}" if w else MISSING for w in ends)],
            ["one end, rebuilt: inside", *(f"{w.inside_ends:.3f}" if w else MISSING for w in ends)],
        ]
        yield text_table(["Interpolation", *(e.model for e in evaluations)], rows)


def _classes(found: ClassShifts) -> str:
    start, end = found.lowest_pair
    sums = (
        f"class to class: mean {found.flip_mean:.3f} of what is possible, lowest "
        f"{found.flip_lowest:.3f} ({start} to {end}); content {found.content_mean:.3f}"
    )
    if len(found.names) > MOST_CLASSES:
        return sums
    names = [_cut(name) for name in found.names]
    heads: Sequence[str] = found.names
    if max(map(len, found.names)) > COLUMN_WIDTH:
        heads = [str(number) for number in range(1, len(names) + 1)]
        names = [f"{head:>2} {name}" for head, name in zip(heads, names, strict=True)]
    rows = [
        [name, *("·" if c == r else _percent(share) for c, share in enumerate(shares))]
        for r, (name, shares) in enumerate(zip(names, found.flip, strict=True))
    ]
    rows += [
        ["itself, rebuilt", *map(_percent, found.ceiling)],
        ["itself, real", *map(_percent, found.judged)],
    ]
    most = max(found.images)
    return (
        f"{text_table(['From, to, in %', *heads], rows)}\n"
        f"of at most {most} images of each class, those that are judged to be of the other\n{sums}"
    )


def _all_classes(evaluations: Sequence[Evaluation]) -> Iterator[str]:
    found = [evaluation.classes for evaluation in evaluations]
    if any(found):
        rows = [
            ["mean of what is possible", *(f"{c.flip_mean:.3f}" if c else MISSING for c in found)],
            ["lowest", *(f"{c.flip_lowest:.3f}" if c else MISSING for c in found)],
            ["content", *(f"{c.content_mean:.3f}" if c else MISSING for c in found)],
        ]
        yield text_table(["Class to class", *(e.model for e in evaluations)], rows)


def _cut(name: str) -> str:
    return name if len(name) <= NAME_WIDTH else f"{name[: NAME_WIDTH - 1]}…"


def _percent(share: float) -> str:
    return f"{100.0 * share:.0f}"
