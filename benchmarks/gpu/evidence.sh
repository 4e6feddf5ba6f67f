#!/usr/bin/env bash
# Three measurements on one GPU within 15 minutes: a training step at 32K, contexts read once at 32K, one arm at 4K.
#   evidence.sh OUT MODEL [WHEELS]
#     OUT     new folder for tables, logs and rows
#     MODEL   folder of the model to train, for example SmolLM2-135M-Instruct
#     WHEELS  folder of wheels, where TRL and lm_eval are not installed:
#             pip wheel ".[trl,eval,report]" -w WHEELS      (in a checkout, with a network; without the wheels of
#             torch and nvidia-*, which the machine has)
# The first two need torch and transformers alone. A part that fails or takes too long does not stop the others.
#   DEVICE=cpu QUICK=1 STUDY=small.yml evidence.sh ...      everything at a small size, to see that it runs
set -uo pipefail
root="$(cd "$(dirname "$0")/../.." && pwd)"
out="$(mkdir -p "${1:?give a folder to write to}" && cd "$1" && pwd)"
model="$(realpath "${2:?give the folder of a model}")"
wheels="${3:+$(realpath "$3")}"
device="${DEVICE:-cuda}"
quick=(${QUICK:+--quick})
export PYTHONPATH="$root${PYTHONPATH:+:$PYTHONPATH}" HF_HUB_OFFLINE=1 AXOLOTL_DO_NOT_TRACK=1 TOKENIZERS_PARALLELISM=false

part() { # part NAME SECONDS COMMAND...
    local name="$1" limit="$2" begun=$SECONDS status=0
    shift 2
    timeout "$limit" "$@" >"$out/$name.log" 2>&1 || status=$?
    echo "$name: exit status $status after $((SECONDS - begun)) s; $out/$name.log" | tee -a "$out/summary.txt"
}

[[ -z "$wheels" ]] || part install 120 python -m pip install --quiet --no-index --find-links "$wheels" "in2-plugin[trl,eval,report]"
part answer_logits "${LIMIT:-150}" python "$root/benchmarks/answer_logits.py" --device "$device" "${quick[@]}"
part shared_context "${LIMIT:-150}" python "$root/benchmarks/shared_context.py" --device "$device" "${quick[@]}"
study=(run --out "$out/study" --model "$model" --device "$device" --study "${STUDY:-$root/benchmarks/gpu/evidence.yml}")
# trains and measures the primary outcome; run it again with more arms where time is left
part study "${LIMIT:-420}" python -m benchmarks.evidence "${study[@]}" --arms start uniform --measures own
part report 60 python -m benchmarks.evidence report "$out/study" --output "$out/page"
cat "$out/summary.txt"
