"""Where and with what something was measured, for the head of every result.

this machine, installed packages → names and versions
"""

from __future__ import annotations

import os
import platform
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from inference.cores import available_cores

NOT_INSTALLED = "not installed"


def hardware() -> str:
    """Processor, cores that may be used, operating system."""
    cores = available_cores()
    word = "core" if cores == 1 else "cores"
    return f"{processor()}, {cores} {word}, {platform.system()}"


def processor() -> str:
    """The processor's name."""
    try:
        text = Path("/proc/cpuinfo").read_text("utf-8")
    except OSError:
        return platform.processor() or platform.machine()
    names = [line.partition(":")[2].strip() for line in text.splitlines() if "model name" in line]
    return names[0] if names else platform.machine()


def busy() -> str:
    """The load average, which tells whether others used the machine; empty where there is none."""
    if not hasattr(os, "getloadavg"):
        return ""
    return "load average " + " ".join(f"{load:.2f}" for load in os.getloadavg())


def versions(*packages: str) -> dict[str, str]:
    """Python's version and those of packages; one that is not there says so."""
    found = {"Python": platform.python_version()}
    for package in packages:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            found[package] = NOT_INSTALLED
    return found
