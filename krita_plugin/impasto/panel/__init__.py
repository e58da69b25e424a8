"""Every widget of the docker. `Panel` is all the rest of the plugin needs."""

from .panel import Panel

__all__ = ["Panel"]
