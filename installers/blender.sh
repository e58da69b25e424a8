#!/bin/sh
# Builds dist/impasto-blender.zip, for Blender's Edit → Preferences → Get Extensions → Install from Disk (in Blender
# 3.4 to 4.1: Add-ons → Install).
#
#   sh installers/blender.sh
set -eu
. "$(dirname -- "$0")/environment.sh"

make_environment ""
exec "$VENV/bin/impasto" blender archive --out "$ROOT/dist/impasto-blender.zip"
