"""Offline jobs: a whole catalogue through a bundle, without a server and with the same answers.

    IN → source: items in a fixed order → shards of items → engine → OUT/rows/part-….parquet

Knows the engine and the bundle; knows no transport. Who starts jobs imports `batch.job`.

1. A shard is there whole or not at all, and what is there is never worked on again: the folder of
   shards is the ledger from which a killed job goes on.
2. An item that fails ends in its shard's row with slug and message; it stops no other item.
"""
