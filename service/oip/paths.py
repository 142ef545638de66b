"""The paths under /v2, which name a model and perhaps a version.

"/v2/models/encoder/versions/1/infer" ↔ "/v2/models/{model}/versions/{version}/infer"

Knows text alone; which models there are is said elsewhere.
"""

from __future__ import annotations

PREFIX = "/v2"
MODEL = f"{PREFIX}/models/{{model}}"
VERSION = f"{MODEL}/versions/{{version}}"
_WORDS = frozenset({"ready", "infer"})
_AT_MOST = 7


def is_v2(path: str) -> bool:
    """Whether ``path`` belongs to the protocol."""
    return path == PREFIX or path.startswith(f"{PREFIX}/")


def template(path: str) -> str:
    """The row of the table of routes that ``path`` is looked up in; other paths are their own."""
    parts = path.split("/")
    if parts[:3] != ["", "v2", "models"] or not 4 <= len(parts) <= _AT_MOST or not parts[3]:  # noqa: PLR2004  ("", v2, models, name)
        return path
    parts[3] = "{model}"
    if len(parts) > 5 and parts[4] == "versions" and parts[5]:  # noqa: PLR2004  (… versions, number)
        parts[5] = "{version}"
    return "/".join(parts)


def target(path: str) -> tuple[str, str]:
    """The model and the version (empty if none) that a path names; it must have a template."""
    parts = path.split("/")
    has_version = len(parts) > 5 and parts[4] == "versions"  # noqa: PLR2004  (as above)
    return parts[3], parts[5] if has_version else ""
