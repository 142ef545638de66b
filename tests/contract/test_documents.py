"""Documents that are written by code agree with the code.

After a change that is meant: `python -m tests.support.snapshots` writes them anew.
"""

from __future__ import annotations

from service.settings import settings_document
from tests.support.snapshots import SERVE_HELP, SETTINGS, serve_help


def test_the_settings_document() -> None:
    assert SETTINGS.read_text() == settings_document()


def test_the_help_of_serve() -> None:
    assert SERVE_HELP.read_text() == serve_help()
