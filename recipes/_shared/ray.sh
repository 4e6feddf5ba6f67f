#!/usr/bin/env bash
# Train on a Ray cluster whose machines share this folder: run GPUS=16 ./ray.sh on one of them.
# Start the cluster first: `ray start --head` on one machine, `ray start --address=HEAD:6379` on the others.
# Ray workers run in another working folder, so the script makes the paths absolute in a copy of the training file.
set -euo pipefail
cd "$(dirname "$0")"
export AXOLOTL_DO_NOT_TRACK=1
gpus="${GPUS:?how many GPUs of the cluster}"
batch=128
if ((gpus < 1 || batch % gpus)); then
    echo "ray.sh: $batch examples per step cannot be divided among $gpus GPUs; use 1, 2, 4, ... or 128 GPUs" >&2
    exit 2
fi
sed -e "s#path: data/#path: $PWD/data/#" -e "s#^deepspeed: #deepspeed: $PWD/#" -e "s#^output_dir: #output_dir: $PWD/#" \
    "${CONFIG:-axolotl.yml}" >axolotl-ray.yml
exec axolotl train axolotl-ray.yml --use-ray --ray-num-workers "$gpus" \
    --gradient-accumulation-steps "$((batch / gpus))" "$@"
