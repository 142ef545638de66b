"""From a training run to a model bundle: graphs, parity, directions, prior, card."""

from export.exporter import ExportError, export_run

__all__ = ["ExportError", "export_run"]
