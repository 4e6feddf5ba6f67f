#!/usr/bin/env bash
# Measure one model on the VAL probes: ./eval.sh MODEL FOLDER [options of `in2 lm-eval`]
#   ./eval.sh Qwen/Qwen3-8B results/before
#   ./eval.sh out results/after
#   in2 report results/before results/after --label before --label after -o report.html
# A quick look: --limit 100. BACKEND=in2-vllm is faster where vLLM is installed; TASKS=val_probe_4k asks something else.
set -euo pipefail
model="${1:?which model: a name or a folder}"
results="${2:?where to write the results}"
shift 2
backend="${BACKEND:-in2-hf}"
# the rotary embedding of the training, for the model as it is before it; a trained one has it in its config.json
rope='"max_position_embeddings": 65536, "rope_parameters": {"rope_type": "yarn", "rope_theta": 1000000.0, "factor": 2.0, "original_max_position_embeddings": 32768}'
case "$backend" in
    *vllm*) arguments="\"max_model_len\": 65536, \"enable_prefix_caching\": true, \"hf_overrides\": {$rope}" ;;
    *) arguments="\"attn_implementation\": \"sdpa\", \"max_length\": 65600, $rope" ;; # shared contexts need sdpa
esac
# asked as it is trained: without thoughts, which Qwen3's template writes as an empty block before the answer
arguments+=', "enable_thinking": false'
exec in2 lm-eval --model "$backend" --model_args "{\"pretrained\": \"$model\", \"dtype\": \"bfloat16\", $arguments}" \
    --tasks "${TASKS:-val_probe_32k,val_probe_64k}" --apply_chat_template \
    --output_path "$results" "$@"
