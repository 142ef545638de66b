"""The documents that are made from code, and where their committed copies lie.

Run as a module, it writes them anew.
"""

from __future__ import annotations

import argparse
import os
from pathlib import Path

import orjson

from cli import serve
from service.pages import document
from service.settings import settings_document

ROOT = Path(__file__).resolve().parents[2]
OPENAPI = ROOT / "docs" / "openapi.json"
SETTINGS = ROOT / "docs" / "settings.md"
SERVE_HELP = ROOT / "tests" / "contract" / "serve_help.txt"
COLUMNS = "100"


def openapi_text() -> str:
    """The OpenAPI document as it is committed."""
    return orjson.dumps(document(), option=orjson.OPT_INDENT_2).decode() + "\n"


def serve_help() -> str:
    """`latentserve serve --help` on a terminal of a fixed width."""
    before = os.environ.get("COLUMNS")
    os.environ["COLUMNS"] = COLUMNS
    try:
        parser = argparse.ArgumentParser(
            prog="latentserve serve",
            description=serve.__doc__,
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        serve.add_arguments(parser)
        return parser.format_help()
    finally:
        if before is None:
            del os.environ["COLUMNS"]
        else:
            os.environ["COLUMNS"] = before


if __name__ == "__main__":
    OPENAPI.write_text(openapi_text())
    SETTINGS.write_text(settings_document())
    SERVE_HELP.write_text(serve_help())
