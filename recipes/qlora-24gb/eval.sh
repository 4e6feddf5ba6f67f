#!/usr/bin/env bash
# Evaluate one model on the VAL probes: ./eval.sh MODEL FOLDER [options of `in2 lm-eval`]
#   ./eval.sh mistralai/Mistral-7B-Instruct-v0.2 results/before
#   ./eval.sh out/merged results/after
#   in2 report results/before results/after --label before --label after -o report.html
# Quick check: --limit 100. BACKEND=in2-vllm is faster if vLLM is installed; TASKS=val_probe_4k runs other tasks.
set -euo pipefail
model="${1:?model name or folder}"
results="${2:?results folder}"
shift 2
backend="${BACKEND:-in2-hf}"
case "$backend" in
    *vllm*) arguments='"max_model_len": 16448, "enable_prefix_caching": true' ;;
    *) arguments='"attn_implementation": "sdpa", "max_length": 16448' ;; # shared contexts need sdpa
esac
exec in2 lm-eval --model "$backend" --model_args "{\"pretrained\": \"$model\", \"dtype\": \"bfloat16\", $arguments}" \
    --tasks "${TASKS:-val_probe_8k,val_probe_16k}" --metadata '{"probe_template": "film"}' \
    --output_path "$results" "$@"
