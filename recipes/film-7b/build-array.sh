#!/usr/bin/env bash
# The data by a job array of Slurm, without Ray: ./build-array.sh 64 on a login node, in tmux or screen.
# Options of sbatch go behind it: ./build-array.sh 64 --partition=cpu --cpus-per-task=8 --time=4:00:00
# `in2 merge` does what one process must do and ends with status 3 where jobs are needed; then an array of as many jobs
# does their part, and merge goes on: five rounds for a whole build. Everything that is done is sealed in the folder of
# `output`, which all machines see: when this script or any job is ended, run the same line again.
# With `writer: endpoint` every job asks the endpoint: divide the upper end of `concurrency` by the number of jobs.
set -euo pipefail
cd "$(dirname "$0")"
jobs="${1:?how many jobs, for example 64}"
shift
failed=0
while true; do
    status=0
    # merging takes memory and time that a login node is not for
    srun --ntasks=1 --job-name=film-7b-merge "$@" in2 merge build.yml || status=$?
    ((status == 3)) || exit "$status"
    # jobs that are ended early go on where they stopped in the next round
    if sbatch --wait --job-name=film-7b-data --array="1-$jobs" --output="build-%A-%a.log" "$@" \
        --wrap "exec in2 build build.yml --shard \$SLURM_ARRAY_TASK_ID/$jobs"; then
        failed=0
    elif ((++failed == 5)); then
        echo "build-array.sh: jobs failed in five rounds, one after the other; see build-*.log" >&2
        exit 1
    fi
done
