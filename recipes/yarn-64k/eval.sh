#!/usr/bin/env bash
# Evaluate one model on the VAL probes: ./eval.sh MODEL FOLDER [options of `in2 lm-eval`]
#   ./eval.sh Qwen/Qwen3-8B results/before
#   ./eval.sh out results/after
#   in2 report results/before results/after --label before --label after -o report.html
# Quick check: --limit 100. BACKEND=in2-vllm is faster if vLLM is installed; TASKS=val_probe_4k runs other tasks.
set -euo pipefail
model="${1:?model name or folder}"
results="${2:?results folder}"
shift 2
backend="${BACKEND:-in2-hf}"
# the training's rotary embedding, for the base model; the trained model has it in its config.json
rope='"max_position_embeddings": 65536, "rope_parameters": {"rope_type": "yarn", "rope_theta": 1000000.0, "factor": 2.0, "original_max_position_embeddings": 32768}'
case "$backend" in
    *vllm*) arguments="\"max_model_len\": 65536, \"enable_prefix_caching\": true, \"hf_overrides\": {$rope}" ;;
    *) arguments="\"attn_implementation\": \"sdpa\", \"max_length\": 65600, $rope" ;; # shared contexts need sdpa
esac
# as in training: without thinking, for which Qwen3's template writes an empty block before the answer
arguments+=', "enable_thinking": false'
exec in2 lm-eval --model "$backend" --model_args "{\"pretrained\": \"$model\", \"dtype\": \"bfloat16\", $arguments}" \
    --tasks "${TASKS:-val_probe_32k,val_probe_64k}" --apply_chat_template \
    --output_path "$results" "$@"
