#!/usr/bin/env bash
# One run, of under ten minutes, of training Pocket on a GPU machine that keeps nothing between runs.
#
#   tools/gpu/train_pocket.sh STATE OUT [WHEELS] [ICONS]
#
# STATE   folder with the parts that the run before left in its OUT; empty or missing before the first run
# OUT     where the parts go: at most 15 MiB each, five at most
# WHEELS  folder of wheels to install from where something that training needs is missing
# ICONS   folder of rendered icons (`python -m tools.pocket icons`), for a machine without a network
#
# Call it until it prints "finished"; then the parts unpack to model/, controls/ and loras/:
#   python -m tools.pocket unpack --out DIR --parts OUT
#
# Settings, from the environment: BUDGET, minutes of all runs together (25); LIMIT, seconds that one run may
# train (480); DEVICE (cuda).
set -euo pipefail
cd "$(dirname "$0")/../.."

state=$1 out=$2 wheels=${3:-} icons=${4:-}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

if [[ -n $wheels ]] && ! python3 -c 'import diffusers, peft, cairocffi, cv2, scipy, skimage, tokenizers' 2>/dev/null; then
  python3 -m pip install --quiet --no-index --no-deps --no-compile --target "$work/site" "$wheels"/*.whl
  export PYTHONPATH="$work/site${PYTHONPATH:+:$PYTHONPATH}"
fi
export OMP_NUM_THREADS=1 PYTHONUNBUFFERED=1

mkdir -p "$work/training" "$out"
python3 -m tools.pocket unpack --out "$work/training" --parts "$state"
if [[ -n $icons ]]; then
  mkdir -p "$work/training/icons"
  cp "$icons"/*.npz "$work/training/icons/"
fi

# An interrupt makes the training keep its state, which the next run goes on from.
finished=1
timeout --signal=INT --kill-after=60 "${LIMIT:-480}" \
  python3 -m tools.pocket train --budget "${BUDGET:-25}" --out "$work/training" --device "${DEVICE:-cuda}" ||
  finished=0

python3 -m tools.pocket pack --out "$work/training" --parts "$out"
cp "$work/training/log.jsonl" "$out/"
if ((finished)); then echo finished; else echo "call again with STATE=$out"; fi
