#!/usr/bin/env bash
# The whole way on a laptop: model, probes, data, training, probes again, report.
#   run.sh FOLDER [TEXTS]     TEXTS: a folder of text files, a JSONL or Parquet file; default: the bundled corpus
# Needs in2-plugin with its extras axolotl, eval and report on PATH. About ten minutes on two cores.
set -euo pipefail
recipe="$(cd "$(dirname "$0")" && pwd)"
folder="${1:?give a folder to work in}"
corpus="${2:+$(realpath "$2")}"
export AXOLOTL_DO_NOT_TRACK=1 HF_HUB_OFFLINE=1 TOKENIZERS_PARALLELISM=false

say() { printf '\n\033[1m== %s\033[0m\n' "$*"; }
probe() {
    lm_eval --model hf --model_args "pretrained=$1,dtype=float32,max_length=1024" --tasks val_probe \
        --apply_chat_template --metadata '{"probe_length": 576, "probe_sets": 16, "probe_spans": 4}' \
        --batch_size 16 --device cpu --output_path "$2"
}

rm -rf "$folder" && mkdir -p "$folder" && cp "$recipe"/{build,axolotl}.yml "$recipe"/*.py "$folder" && cd "$folder"
in2 tasks install

say "1/7 a tiny Mistral with a tokenizer of its own"
python make_model.py model $corpus
say "2/7 the data"
in2 build build.yml ${corpus:+--corpus "$corpus"}
say "3/7 VAL probes before training"
probe model results/before
say "4/7 training"
axolotl train axolotl.yml
say "5/7 VAL probes after training"
probe out results/after
say "6/7 the report"
in2 report results/before results/after --label before --label after -o report.html
say "7/7 done: open $(pwd)/report.html"
