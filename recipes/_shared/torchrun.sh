#!/usr/bin/env bash
# Train on several machines that share this folder. Run the same line on each of them, within ten minutes:
#   NNODES=2 HEAD=first-machine:29500 ./torchrun.sh      # 16 GPUs, accumulation 8
#   NNODES=16 HEAD=first-machine:29500 ./torchrun.sh     # 128 GPUs, accumulation 1
# When a worker dies, torchrun restarts all workers, at most three times; they resume from the newest checkpoint.
set -euo pipefail
cd "$(dirname "$0")"
export AXOLOTL_DO_NOT_TRACK=1
nodes="${NNODES:?how many machines}"
head="${HEAD:?address and port of one of them, for example node1:29500}"
processes="${NPROC:-$(nvidia-smi -L | wc -l)}"
batch=128
ranks=$((nodes * processes))
if ((ranks < 1 || batch % ranks)); then
    echo "torchrun.sh: $batch examples per step cannot be divided among $ranks GPUs; use 1, 2, 4, ... or 128 GPUs" >&2
    exit 2
fi
exec axolotl train "${CONFIG:-axolotl.yml}" --gradient-accumulation-steps "$((batch / ranks))" "$@" \
    --launcher torchrun -- --nnodes "$nodes" --nproc_per_node "$processes" --max-restarts 3 \
    --rdzv_backend c10d --rdzv_endpoint "$head" --rdzv_id "${RUN_ID:-$(basename "$PWD")}"
