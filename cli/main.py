"""The ``latentserve`` command: one static table of subcommands, the chosen one imported alone.

argv → name → module → its arguments, its run() → exit code

Knows no subcommand's arguments; ``--help`` imports none of them.
"""

from __future__ import annotations

import argparse
import os
import sys
from importlib import import_module
from importlib.metadata import version
from typing import TYPE_CHECKING, Protocol, cast

if TYPE_CHECKING:
    from collections.abc import Sequence

COMMANDS: dict[str, tuple[str, str]] = {
    "serve": ("cli.serve", "serve a model bundle over HTTP and gRPC"),
    "batch": ("cli.batch", "encode, decode, shift, sample whole catalogues without a server"),
    "train": ("cli.train", "train a model on a folder of images"),
    "export": ("cli.export", "export a trained model as a bundle"),
    "evaluate": ("cli.evaluate", "measure a bundle on held-out images"),
    "report": ("cli.report", "write one HTML page about a training run"),
    "data": ("cli.data", "make or look at data sets"),
    "presets": ("cli.presets", "list the training presets"),
    "keys": ("cli.keys", "make API keys for callers of the server"),
    "bench": ("cli.bench", "find the server's best settings on this machine"),
}
UNREAD = 141
"""Exit code when nobody reads the output any more, as shells give it for SIGPIPE."""


class Command(Protocol):
    """What the module of a subcommand provides."""

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """Declare the subcommand's arguments."""

    def run(self, args: argparse.Namespace) -> int:
        """Do it; the result is the exit code."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run ``latentserve`` with ``argv``, the process's own by default; gives the exit code."""
    words = list(sys.argv[1:] if argv is None else argv)
    if words and words[0] in COMMANDS:
        name = words[0]
        module, line = COMMANDS[name]
        command = cast("Command", import_module(module))
        parser = argparse.ArgumentParser(
            prog=f"latentserve {name}",
            description=command.__doc__ or line,
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        command.add_arguments(parser)
        args = parser.parse_args(words[1:])
        try:
            status = command.run(args)
            sys.stdout.flush()
        except BrokenPipeError:
            # Whoever reads the output has seen enough (`| head`); closing must not complain anew.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            return UNREAD
        return status
    parser = _top_parser()
    parser.parse_args(words)
    parser.print_help()
    return 2 if words else 0


def _top_parser() -> argparse.ArgumentParser:
    width = max(map(len, COMMANDS))
    table = "\n".join(f"  {name:{width}}  {line}" for name, (_, line) in COMMANDS.items())
    parser = argparse.ArgumentParser(
        prog="latentserve",
        description="Train a variational autoencoder, export it, serve its latent space.",
        epilog=f"commands:\n{table}\n\n`latentserve COMMAND --help` tells more of each.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=version("latentserve"))
    parser.add_argument("command", choices=tuple(COMMANDS), nargs="?", metavar="COMMAND")
    return parser


if __name__ == "__main__":
    sys.exit(main())
