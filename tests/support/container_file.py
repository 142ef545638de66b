"""The container file and what a builder is given, as tests read them.

deploy/Containerfile → instructions of all stages, of the last one;  .dockerignore → names let in
"""

from __future__ import annotations

import json
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
FILE = ROOT / "deploy" / "Containerfile"
TEXT = FILE.read_text("utf-8").replace("\\\n", " ")
LINES = [line.strip() for line in TEXT.splitlines() if line and not line.startswith("#")]
IGNORE_RULES = [
    line
    for line in (ROOT / ".dockerignore").read_text("utf-8").splitlines()
    if line and not line.startswith("#")
]
LET_IN = {line[1:] for line in IGNORE_RULES if line.startswith("!")}
"""Files and folders of the repository that a builder sees."""


def every(instruction: str) -> list[str]:
    """What follows an instruction, wherever it stands."""
    return [line.partition(" ")[2].strip() for line in LINES if line.startswith(f"{instruction} ")]


def last_stage() -> list[str]:
    """The lines of the stage that becomes the image."""
    starts = [number for number, line in enumerate(LINES) if line.startswith("FROM ")]
    return LINES[starts[-1] :]


def health_check() -> list[str]:
    """The words of the health check."""
    (check,) = every("HEALTHCHECK")
    words: list[str] = json.loads(check.partition("CMD ")[2])
    return words
