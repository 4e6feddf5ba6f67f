#!/usr/bin/env bash
# Train on the GPUs of one machine, 128 examples per step: ./train.sh [arguments of `axolotl train`]
#   NPROC=4 ./train.sh                     # four GPUs; without NPROC all GPUs of the machine
#   CONFIG=axolotl-fsdp.yml ./train.sh     # FSDP instead of DeepSpeed, in recipes that have this file
# Run the same command again to resume from the newest checkpoint in out/.
set -euo pipefail
cd "$(dirname "$0")"
export AXOLOTL_DO_NOT_TRACK=1
processes="${NPROC:-$(nvidia-smi -L | wc -l)}"
batch=128
if ((processes < 1 || batch % processes)); then
    echo "train.sh: $batch examples per step cannot be divided among $processes processes; set NPROC to 1, 2, 4, 8, ..." >&2
    exit 2
fi
launcher=(--launcher torchrun -- --standalone --nproc_per_node "$processes")
if ((processes == 1)); then launcher=(--launcher python); fi
exec axolotl train "${CONFIG:-axolotl.yml}" --gradient-accumulation-steps "$((batch / processes))" "$@" "${launcher[@]}"
