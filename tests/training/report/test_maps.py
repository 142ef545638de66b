from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.report_material import class_labels, random_labels
from training.report.maps import MapText, apart, attribute_maps, class_map, point_size

TEXT = MapText("right", "up", "a map")
ROOM = np.array((1.0, 0.5))


def _points(count: int) -> np.ndarray:
    return np.random.default_rng(0).standard_normal((count, 2)).astype(np.float32)


@given(st.lists(st.tuples(st.floats(-3, 3), st.floats(-3, 3)), min_size=1, max_size=8))
def test_names_do_not_cover_each_other(places: list[tuple[float, float]]) -> None:
    before = np.array(places)
    after = apart(before, ROOM)
    np.testing.assert_array_equal(after[:, 0], before[:, 0])
    for first in range(len(after)):
        for second in range(first):
            x, y = np.abs(after[first] - after[second])
            assert x >= ROOM[0] or y >= 0.9 * ROOM[1]


def test_names_that_have_room_stay_where_they_are() -> None:
    places = np.array([(0.0, 0.0), (0.2, 0.6), (3.0, 0.1)])
    np.testing.assert_array_equal(apart(places, ROOM), places)


def test_a_class_map_names_every_class_that_is_there() -> None:
    labels = class_labels(60, 4)[:, [0, 1, 2, 3, 3]] & (True, True, True, True, False)
    svg = class_map(_points(60), labels, ("t_shirt", "bag", "coat", "boot", "nowhere"), TEXT).svg
    for name in ("t shirt", "bag", "coat", "boot"):
        assert svg.count(f">{name}<") == 2  # in the legend and on the map
    assert svg.count(">nowhere<") == 1


def test_more_classes_than_colours_change_the_marker() -> None:
    names = tuple(f"c{number}" for number in range(23))
    svg = class_map(_points(230), class_labels(230, 23), names, TEXT).svg
    assert all(f">{name}<" in svg for name in names)


def test_every_attribute_has_a_panel_with_its_share() -> None:
    labels = random_labels(50, 3)
    svg = attribute_maps(_points(50), labels, ("hat", "long_hair", "smile"), TEXT).svg
    for name, share in zip(("hat", "long hair", "smile"), labels.mean(axis=0), strict=True):
        assert f">{name} ({100 * share:.0f} %)<" in svg
    assert svg.count("data:image/png") == 3
    assert svg.count(">right<") == 1


def test_without_attributes_there_is_one_cloud() -> None:
    assert attribute_maps(_points(20), random_labels(20, 0), (), TEXT).svg.count("<image") == 1


@pytest.mark.parametrize(("few", "many"), [(100, 2000), (2000, 2001)])
def test_fewer_points_are_larger(few: int, many: int) -> None:
    assert point_size(few) >= point_size(many) >= 10
