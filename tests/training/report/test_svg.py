from __future__ import annotations

import re

from training.report.svg import BLUE, drawing, to_plot


def _plot(label: str = "x") -> str:
    with drawing(3, 2) as figure:
        axes = figure.subplots()
        axes.plot([1, 2], [1, 2], color=BLUE)
        axes.scatter([1, 2], [1, 2], rasterized=True)
        axes.set_xlabel(label)
        return to_plot(figure, "two plots").svg


def test_a_plot_is_one_element_that_follows_the_page() -> None:
    svg = _plot()
    assert svg.startswith("<svg")
    assert svg.endswith("</svg>")
    assert svg.count("<svg") == 1
    assert "var(--blue)" in svg
    assert BLUE not in svg
    assert "<style" not in svg
    assert "font-family" not in svg
    assert not re.search(r"<svg[^>]* width=", svg)


def test_a_plot_points_nowhere_outside() -> None:
    svg = _plot()
    assert "://" not in svg
    assert set(re.findall(r'href="(.)', svg)) == {"#", "d"}
    assert 'href="data:image/png;base64,' in svg


def test_only_ids_that_something_points_at_are_left() -> None:
    svg = _plot()
    ids = re.findall(r' id="([^"]*)"', svg)
    assert ids
    assert all(f"#{name}" in svg for name in ids)
    for name in re.findall(r"url\(#([^)]*)\)", svg) + re.findall(r'href="#([^"]*)"', svg):
        assert name in ids


def test_the_same_plot_is_the_same_text_twice() -> None:
    assert _plot() == _plot()


def test_words_are_escaped_and_dollars_are_dollars() -> None:
    svg = _plot("<script> & $x^2$")
    assert "&lt;script&gt; &amp; $x^2$" in svg
    assert "<script>" not in svg
