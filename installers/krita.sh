#!/bin/sh
# Builds dist/impasto-krita.zip, for Krita's Tools → Scripts → Import Python Plugin from File.
#
#   sh installers/krita.sh
set -eu
. "$(dirname -- "$0")/environment.sh"

make_environment ""
exec "$VENV/bin/impasto" krita archive --out "$ROOT/dist/impasto-krita.zip"
