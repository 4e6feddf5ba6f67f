#!/usr/bin/env bash
# Build the data with a Slurm job array, without Ray: run ./build-array.sh 64 on a login node, in tmux or screen.
# Append options of sbatch: ./build-array.sh 64 --partition=cpu --cpus-per-task=8 --time=4:00:00
# `in2 merge` runs the steps that need a single process, and exits with status 3 when it needs array jobs. The script
# then submits the array and merges again: five rounds for a whole build. Finished shards stay in the `output` folder,
# which all machines must see: if this script or a job is killed, run the same line again.
# With `writer: endpoint` every job calls the endpoint: divide the upper limit of `concurrency` by the number of jobs.
set -euo pipefail
cd "$(dirname "$0")"
jobs="${1:?number of jobs, for example 64}"
shift
name="$(basename "$PWD")"
failed=0
while true; do
    status=0
    # merging needs more memory and time than a login node allows
    srun --ntasks=1 --job-name="$name-merge" "$@" in2 merge build.yml || status=$?
    ((status == 3)) || exit "$status"
    # killed jobs resume where they stopped, in the next round
    if sbatch --wait --job-name="$name-data" --array="1-$jobs" --output="build-%A-%a.log" "$@" \
        --wrap "exec in2 build build.yml --shard \$SLURM_ARRAY_TASK_ID/$jobs"; then
        failed=0
    elif ((++failed == 5)); then
        echo "build-array.sh: jobs failed in five consecutive rounds; see build-*.log" >&2
        exit 1
    fi
done
