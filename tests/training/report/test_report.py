"""The whole page, from a tiny trained run."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from typing import TYPE_CHECKING

import pytest

from bundle import Prior
from tests.support.pictures import TINY, pack, pictures
from tests.support.report_material import class_labels, material
from training.report import write_report
from training.report.page import to_html
from training.report.report import NAME, page
from training.run import RunError, train

if TYPE_CHECKING:
    from pathlib import Path
    from typing import Any

    import numpy as np

SECTIONS = {
    "learning",
    "reconstructions",
    "samples",
    "map",
    "grid",
    "latents",
    "shifts",
    "interpolation",
    "arithmetic",
    "quality",
}
VOID = {"meta", "img", "br"}


class _Checked(HTMLParser):
    """Sees that every element is closed, and collects ids, links and texts."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.ids: list[str] = []
        self.links: list[str] = []
        self.alts: list[str | None] = []
        self.texts: list[str] = []
        self.feed(text)
        self.close()
        assert not self.open

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        given = dict(attrs)
        self.ids += [given["id"]] if "id" in given else []
        self.links += [given[name] for name in ("href", "src") if name in given]
        if tag == "img":
            self.alts.append(given.get("alt"))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: Any) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in VOID:
            self.open.pop()

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.texts.append(data)


def _gaussian(means: np.ndarray, _seed: int) -> Prior:
    return Prior.gaussian(means)


def _write(run: Path, out: Path | None = None, data: Path | None = None, seed: int = 0) -> Path:
    return write_report(run, out, data, seed=seed, fit_prior=_gaussian, say=lambda _line: None)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny run, and its data beside it."""
    folder = tmp_path_factory.mktemp("report")
    data = pictures(400)
    pack(folder / "data", data)
    train(TINY, data, folder / "run", source=str(folder / "data"), accelerator="cpu")
    return folder / "run"


def _without_the_clock(text: str) -> str:
    return re.sub(r"Written by .*?UTC", "", text)


def test_every_section_is_there_and_listed(run: Path) -> None:
    written = _write(run)
    assert written == run / NAME
    text = written.read_text("utf-8")
    found = _Checked(text)
    assert set(found.ids) >= SECTIONS
    assert {f"#{name}" for name in SECTIONS} <= set(found.links)
    words = " ".join(found.texts)
    assert "Not evaluated yet" in words
    assert "CC0-1.0" in words
    assert "KL: nats per image" in words
    assert all(found.alts)
    assert not list(run.glob("*.part"))


def test_the_page_needs_nothing_else(run: Path, tmp_path: Path) -> None:
    text = _write(run, tmp_path / "page.html").read_text("utf-8")
    assert "://" not in text
    assert "@import" not in text
    assert "<script" not in text
    for link in _Checked(text).links:
        assert link.startswith(("#", "data:image/png;base64,"))
    assert "@media print" in text
    assert "prefers-color-scheme: dark" in text
    assert "image-rendering: pixelated" in text


def test_the_same_seed_gives_the_same_page(run: Path, tmp_path: Path) -> None:
    one = _write(run, tmp_path / "one.html").read_text("utf-8")
    two = _write(run, tmp_path / "two.html").read_text("utf-8")
    other = _write(run, tmp_path / "other.html", seed=1).read_text("utf-8")
    assert _without_the_clock(one) == _without_the_clock(two)
    assert _without_the_clock(one) != _without_the_clock(other)


def test_names_are_escaped(tmp_path: Path) -> None:
    given = material(class_labels(20, 2), ("shirt", "coat"), dataset="<script>alert('x')</script>&")
    text = to_html(page(given, tmp_path / "<b>run"))
    assert "<script" not in text
    assert "&lt;script&gt;alert(&#39;x&#39;)&lt;/script&gt;&amp;" in text
    assert "<b>run" not in text
    assert "<script>alert('x')</script>&" in " ".join(_Checked(text).texts)


def test_data_may_have_moved_but_not_changed(run: Path, tmp_path: Path) -> None:
    pack(tmp_path / "moved", pictures(400))
    assert _write(run, tmp_path / "moved.html", tmp_path / "moved").is_file()
    other = pictures(400)
    pack(tmp_path / "other", type(other)(**{**vars(other), "attributes": ("bar", "dark")}))
    with pytest.raises(RunError, match="--data"):
        _write(run, tmp_path / "other.html", tmp_path / "other")
    assert not (tmp_path / "other.html").exists()


def test_a_folder_without_a_run_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="is not a training run"):
        _write(tmp_path)
