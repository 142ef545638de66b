"""The project's own services."""
