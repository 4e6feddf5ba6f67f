#!/usr/bin/env bash
# Evaluate one model on the VAL probes: ./eval.sh MODEL FOLDER [options of `in2 lm-eval`]
#   ./eval.sh Qwen/Qwen3-4B results/before
#   ./eval.sh out results/after
#   in2 report results/before results/after --label before --label after -o report.html
# Quick check: --limit 100. BACKEND=in2-vllm is faster if vLLM is installed; TASKS=val_probe_4k runs other tasks.
set -euo pipefail
model="${1:?model name or folder}"
results="${2:?results folder}"
shift 2
backend="${BACKEND:-in2-hf}"
case "$backend" in
    *vllm*) arguments='"max_model_len": 32832, "enable_prefix_caching": true' ;;
    *) arguments='"attn_implementation": "sdpa", "max_length": 32832' ;; # shared contexts need sdpa
esac
# as in training: without thinking, for which Qwen3's template writes an empty block before the answer
arguments+=', "enable_thinking": false'
exec in2 lm-eval --model "$backend" --model_args "{\"pretrained\": \"$model\", \"dtype\": \"bfloat16\", $arguments}" \
    --tasks "${TASKS:-val_probe_8k,val_probe_32k}" --apply_chat_template \
    --output_path "$results" "$@"
