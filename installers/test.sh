#!/bin/sh
# Installs what the tests need and runs all of them: format, lint, types, tests.
#
#   sh installers/test.sh [arguments for pytest]
set -eu
. "$(dirname -- "$0")/environment.sh"

make_environment "[test]"
cd "$ROOT"

failed=''
check() {
    say "$*"
    "$VENV/bin/python" -m "$@" || failed="$failed $1"
}
check ruff format --check .
check ruff check .
check mypy
[ -z "$failed" ] || say "These checks failed:$failed. The tests run all the same."

# All of them on two processes; see tests/conftest.py. With arguments, as they say.
[ $# -gt 0 ] || set -- -n 2 --dist loadscope --no-loadscope-reorder
status=0
"$VENV/bin/python" -m pytest "$@" || status=$?
[ -z "$failed" ] || exit 1
exit "$status"
