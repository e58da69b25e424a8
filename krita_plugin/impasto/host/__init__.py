"""What Krita must do for the studio: `KritaHost` is an `impasto_studio.host.Host`."""

from .krita_host import KritaHost

__all__ = ["KritaHost"]
