#!/usr/bin/env bash
# Evaluate one model on the probe of probe.yml and on val_probe: ./eval.sh MODEL FOLDER [options of `in2 lm-eval`]
#   ./eval.sh model results/before
#   ./eval.sh out results/after
#   in2 report results/before results/after --label before --label after -o report.html
# LENGTH=4096 asks val_probe at that length; DTYPE=bfloat16 is faster on some processors (README.md).
set -euo pipefail
model="${1:?model name or folder}"
results="${2:?results folder}"
shift 2
exec in2 lm-eval --model in2-hf --model_args "pretrained=$model,dtype=${DTYPE:-float32}" \
    --tasks "${TASKS:-in2_probe,val_probe}" --apply_chat_template --log_samples --gen_kwargs max_gen_toks=48 \
    --metadata "{\"probe\": \"${PROBE:-probe}\", \"probe_length\": ${LENGTH:-1024}, \"probe_sets\": 2, \"probe_spans\": 5}" \
    --output_path "$results" "$@"
