"""Impasto in Krita: a docker that paints with the generation server on the artist's own machine.

Krita imports this at its start. Our protocol packages and what they need travel in `vendor/`; they are
imported from there, whatever another plugin or the system has under the same names, and all of them now, so
that the import path is as it was afterwards.
"""

import sys
from pathlib import Path

_VENDOR = str(Path(__file__).parent / "vendor")
sys.path.insert(0, _VENDOR)
try:
    from .plugin import register
finally:
    sys.path.remove(_VENDOR)

register()
