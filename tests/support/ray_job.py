"""A job on a Ray of its own with two actors, one of which is killed on the way.

python -m tests.support.ray_job BUNDLE IN OUT → the summary as JSON; OUT.killed marks the killing
"""

from __future__ import annotations

import json
import os
import signal
import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from batch.cluster import ray_runner
from batch.job import JobOptions, run_job
from batch.operations import Operation
from batch.sources.files import FileSource
from bundle import open_bundle

if TYPE_CHECKING:
    from collections.abc import Iterator

    from batch.items import Item

SHARD_ROWS = 5
_KILLED_AT = 37


class Deadly(FileSource):
    """Kills the process that reads a certain item for the first time."""

    def __init__(self, root: Path, mark: Path) -> None:
        """As `FileSource`; the file ``mark`` tells that it has happened."""
        super().__init__(root, str(root))
        self._mark = mark

    def items(self, start: int, stop: int) -> Iterator[Item]:
        """The files; on the way to one of them, the end."""
        for item in super().items(start, stop):
            if item.number == _KILLED_AT and not self._mark.exists():
                self._mark.write_text(str(os.getpid()))
                os.kill(os.getpid(), signal.SIGKILL)
            yield item


def main(bundle: str, given: str, out: str) -> None:
    """Run the job."""
    options = JobOptions(Path(out), shard_rows=SHARD_ROWS, batch_size=2)
    source = Deadly(Path(given), Path(f"{out}.killed"))
    runner = ray_runner(actors=2)
    summary = run_job(open_bundle(bundle), Operation("encode"), source, options, runner=runner)
    sys.stdout.write(json.dumps(asdict(summary)) + "\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
