#!/bin/sh
# Sets Impasto up in this clone, paints a first picture, and leaves the server ready for the plugins.
#
#   sh installers/run.sh           install if needed, start the server, inpaint a photograph
#   sh installers/run.sh --once    the same, then stop the server
#
# Needs Python 3.10 or newer. PYTHON names another interpreter, IMPASTO_HOME another folder for all state.
set -eu
. "$(dirname -- "$0")/environment.sh"

once=no
for argument in "$@"; do
    case $argument in
        --once) once=yes ;;
        -h | --help)
            sed -n '2,7s/^# \{0,1\}//p' "$0"
            exit 0
            ;;
        *) fail "There is no option $argument. Use --once, or nothing." ;;
    esac
done

make_environment ""

status=0
"$VENV/bin/impasto" demo || status=$?
if [ "$once" = yes ]; then
    "$VENV/bin/impasto" stop || true
elif [ "$status" -eq 0 ]; then
    say "The server is running and ready for the plugins. Stop it with: .venv/bin/impasto stop"
fi
exit "$status"
