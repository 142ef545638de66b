"""The report of a training run: one HTML page with everything in it.

run folder, its data → Material → sections → page

Knows nothing of bundles and servers. What fits the prior is handed in.
"""

from training.report.report import write_report

__all__ = ["write_report"]
