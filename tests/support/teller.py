"""A worker that listens at an inherited socket and tells whoever comes its process id.

python -m tests.support.teller FD PATIENCE   → "ready" on standard output, then until SIGTERM
"""

from __future__ import annotations

import asyncio
import os
import socket
import sys
from typing import cast

from service import accepting


class Teller(asyncio.Protocol):
    """Writes the process id, and then nothing more."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Asyncio's hook."""
        cast("asyncio.Transport", transport).write(b"%d\n" % os.getpid())


async def _serve(sock: socket.socket) -> None:
    await asyncio.get_running_loop().create_server(Teller, sock=sock)
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    await asyncio.Event().wait()


if __name__ == "__main__":
    accepting.PATIENCE = int(sys.argv[2])
    with asyncio.Runner(loop_factory=accepting.FairLoop) as runner:
        runner.run(_serve(socket.socket(fileno=int(sys.argv[1]))))
