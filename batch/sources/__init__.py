"""Where items come from: a folder tree, a glob, Parquet, a CSV of paths, or a prior.

    IN → `open_source` → Source: entries (key, stamp) for the listing,
                                 items [start, stop) for the work

Knows no model but for `drawn`, which draws from its priors.

1. The order of items is the same each time, on every machine.
2. A source holds no list of its items, but the names in one folder at most.
3. Ranges that ascend are read in one pass; going back is allowed and begins again.
"""

from batch.sources.opening import open_source
from batch.sources.source import Source, Takes

__all__ = ["Source", "Takes", "open_source"]
