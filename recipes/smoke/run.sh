#!/usr/bin/env bash
# The whole pipeline on a laptop: model, data, probes, training, probes again, report.
#   run.sh FOLDER [TEXTS]     TEXTS: a folder of text files, a JSONL or Parquet file; default: the bundled corpus
# Needs in2-plugin with its extras axolotl, eval and report on PATH. About ten minutes on two cores.
# The output of the commands goes to FOLDER/logs; when one fails, the screen shows the end of its log.
set -euo pipefail
recipe="$(cd "$(dirname "$0")" && pwd)"
folder="${1:?give a folder to work in}"
corpus="${2:+$(realpath "$2")}"
export AXOLOTL_DO_NOT_TRACK=1 HF_HUB_OFFLINE=1 TOKENIZERS_PARALLELISM=false
trap 'echo "run.sh: stopped" >&2; exit 130' INT # axolotl handles Ctrl-C itself and exits with status 0

stage() { printf '\033[1m== %s\033[0m (%d:%02d)\n' "$*" $((SECONDS / 60)) $((SECONDS % 60)); }
logged() { # logged NAME COMMAND...
    local log="logs/$1.log" status=0
    shift
    echo "log: $log"
    "$@" >"$log" 2>&1 || status=$?
    if ((status)); then
        tr '\r' '\n' <"$log" | tail -n 15 >&2
        echo "run.sh: \`$1\` failed with exit status $status; the whole log is $PWD/$log" >&2
        exit "$status"
    fi
}
probe() {
    logged "probes-$2" in2 lm-eval --model hf --model_args "pretrained=$1,dtype=float32,max_length=1024" \
        --tasks val_probe --apply_chat_template --batch_size 16 --device cpu --output_path "results/$2" \
        --metadata '{"probe_length": 576, "probe_sets": 16, "probe_spans": 4}'
}

rm -rf "$folder" && mkdir -p "$folder/logs" && cp "$recipe"/{build,axolotl}.yml "$recipe"/*.py "$folder" && cd "$folder"
echo "working in $PWD; a stage takes a few minutes"

stage "1/6 a tiny Mistral with its own tokenizer"
logged model python make_model.py model $corpus
tail -n 1 logs/model.log
stage "2/6 the data"
in2 build build.yml --quiet ${corpus:+--corpus "$corpus"}
stage "3/6 VAL probes before training"
probe model before
stage "4/6 training"
logged training axolotl train axolotl.yml
python loss_by_depth.py out
stage "5/6 VAL probes after training"
probe out after
stage "6/6 the report"
logged report in2 report results/before results/after --label before --label after -o report.html
tail -n 2 logs/report.log | fold -s
stage "done: open $PWD/report.html"
