"""Make API keys for callers of the server.

`new` prints a random key once, on standard error for people, and its line for the file of
`latentserve serve --api-keys-file` on standard output; the file holds no key, only its hash.
Take a line out of the file and its key is refused within two seconds.

Two examples:
  latentserve keys new shop >> keys
  latentserve keys new night-batch --max-items 64 >> keys
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import argparse


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The one command below ``keys``."""
    commands = parser.add_subparsers(dest="keys_command", required=True, metavar="COMMAND")
    making = commands.add_parser("new", help="make a key and print it, once")
    making.add_argument(
        "name", help="whom logs, metrics and fairness go by: letters, digits and . _ -"
    )
    making.add_argument(
        "--max-items",
        type=int,
        metavar="N",
        help="items that this name may have in one worker at a time (default no limit)",
    )


def run(args: argparse.Namespace) -> int:
    """Make a key; the result is the exit code."""
    from service.keys import KeysError, new_key

    try:
        text, key = new_key(args.name, args.max_items)
    except KeysError as error:
        print(f"latentserve keys: {error}", file=sys.stderr)
        return 2
    print(f"key of {key.name}, shown this once: {text}", file=sys.stderr)
    print(key.line())
    return 0
