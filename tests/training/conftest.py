from __future__ import annotations

import pytest
import torch


@pytest.fixture(autouse=True, scope="session")
def _one_thread() -> None:
    """Networks this small only lose by threads, and lose much where other tests run beside."""
    torch.set_num_threads(1)
