"""The panel of a migration, for JupyterLab and wherever ipywidgets live."""

from .panel import MigrationPanel

__all__ = ["MigrationPanel"]
