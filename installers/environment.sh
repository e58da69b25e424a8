# Makes the virtual environment. Sourced by run.sh and test.sh; POSIX sh.
#
# A stamp in .venv says which constraints.txt and pyproject.toml it was made from, so that a second start neither
# installs nor touches the network. A marker stands there while pip works: a .venv that still has it was cut short
# by a kill or a power failure, holds half-written packages, and is made anew. Downloads stay in pip's cache.

ROOT=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd) || exit 1
VENV=$ROOT/.venv
CPU_WHEELS=https://download.pytorch.org/whl/cpu
CPU_MIB=3000    # torch's CPU build, everything else, and pip's temporary files
CUDA_MIB=12000  # the same with NVIDIA's libraries

say() { printf '%s\n' "impasto: $*"; }

fail() {
    printf '%s\n' "impasto: $*" >&2
    exit 1
}

# Prints the first Python that can make the environment. $PYTHON, if set, is the only one asked.
find_python() {
    found_old='' found_bare=''
    for name in ${PYTHON:-python3 python3.13 python3.12 python3.11 python3.10 python}; do
        command -v "$name" >/dev/null 2>&1 || continue
        "$name" -c 'import sys; sys.exit(sys.version_info < (3, 10))' >/dev/null 2>&1 || {
            found_old=$name
            continue
        }
        "$name" -c 'import ensurepip, venv' >/dev/null 2>&1 || {
            found_bare=$name
            continue
        }
        printf '%s\n' "$name"
        return 0
    done
    if [ -n "$found_bare" ]; then
        fail "$found_bare cannot make virtual environments. On Debian or Ubuntu run:" \
            "sudo apt install python3-venv   then start this script again."
    elif [ -n "$found_old" ]; then
        fail "Python 3.10 or newer is needed, and $found_old is older. Install one (Debian 12, Ubuntu 22.04 and" \
            "macOS with Homebrew have it), or name it: PYTHON=/path/to/python3 sh installers/run.sh"
    fi
    fail "Python 3.10 or newer is needed and none was found. On Debian or Ubuntu run:" \
        "sudo apt install python3 python3-venv   On macOS: brew install python"
}

has_nvidia() { command -v nvidia-smi >/dev/null 2>&1 && nvidia-smi >/dev/null 2>&1; }

# What the environment is made from: changes when a pin, an extra or the interpreter does.
fingerprint() { cat "$ROOT/constraints.txt" "$ROOT/pyproject.toml" | cksum | tr ' ' '-'; }

# True when .venv is complete for the extras named in $1 ("" for none).
is_ready() {
    [ -x "$VENV/bin/python" ] && [ ! -e "$VENV/impasto-installing" ] &&
        [ "$(cat "$VENV/impasto-stamp$1" 2>/dev/null)" = "$(fingerprint)" ]
}

check_disk() {
    free_mib=$(df -Pk "$ROOT" | awk 'NR == 2 { print int($4 / 1024) }')
    [ "$free_mib" -ge "$1" ] ||
        fail "Installing needs $1 MiB and $ROOT has $free_mib MiB free. Free some space and start this script again."
    say "Disk: $free_mib MiB free, $1 MiB needed."
}

pip_install() {
    "$VENV/bin/python" -m pip install --disable-pip-version-check "$@" || {
        rm -f "$VENV/impasto-installing" # pip ended by itself and left nothing half-written
        fail "The installation stopped (see above). What was downloaded is kept; start this script again to go on."
    }
}

# PyTorch comes first: on Linux, PyPI's own build brings 3 GB of NVIDIA libraries, of no use without that card.
install_torch() {
    pin=$(sed -n 's/^\(torch==[^ ;]*\).*/\1/p' "$ROOT/constraints.txt")
    if "$VENV/bin/python" -c "import importlib.metadata as m; assert m.version('torch').split('+')[0] == '${pin#torch==}'" \
        2>/dev/null; then
        return 0
    fi
    if has_nvidia; then
        say "NVIDIA card found: installing PyTorch with CUDA (about 3 GB)."
    elif [ "$(uname -s)-$(uname -m)" = Linux-x86_64 ] && "$VENV/bin/python" - "$CPU_WHEELS/torch/" 2>/dev/null <<'PY'
import sys, urllib.request

urllib.request.urlopen(sys.argv[1], timeout=5).read(1)
PY
    then
        say "No NVIDIA card found: installing PyTorch for the CPU (about 200 MB)."
        pip_install --no-deps --index-url "$CPU_WHEELS" "$pin"
        return 0
    else
        say "No NVIDIA card found: installing PyTorch as this machine's package index has it."
    fi
    pip_install -c "$ROOT/constraints.txt" "$pin"
}

# make_environment EXTRAS: EXTRAS is "" or "[test]".
make_environment() {
    if is_ready "$1"; then
        return 0
    fi
    if has_nvidia; then check_disk "$CUDA_MIB"; else check_disk "$CPU_MIB"; fi
    if [ -x "$VENV/bin/impasto" ] && [ ! -e "$VENV/impasto-installing" ]; then
        "$VENV/bin/impasto" stop >/dev/null 2>&1 || true # its files are about to change
    fi
    if [ -e "$VENV/impasto-installing" ] || ! "$VENV/bin/python" -c 'import pip' >/dev/null 2>&1; then
        interpreter=$(find_python) || exit 1
        say "Making $VENV with $("$interpreter" --version 2>&1)."
        rm -rf "$VENV"
        mkdir "$VENV" && : >"$VENV/impasto-installing" || fail "$VENV cannot be written."
        "$interpreter" -m venv "$VENV" ||
            fail "The virtual environment could not be made (see above). On Debian or Ubuntu: sudo apt install python3-venv"
    fi
    : >"$VENV/impasto-installing"
    rm -f "$VENV"/impasto-stamp*
    install_torch
    say "Installing Impasto and what it needs. The first time takes a few minutes."
    pip_install -c "$ROOT/constraints.txt" -e "$ROOT$1"
    fingerprint >"$VENV/impasto-stamp"
    [ -z "$1" ] || fingerprint >"$VENV/impasto-stamp$1"
    rm -f "$VENV/impasto-installing"
}
