#!/usr/bin/env bash
# Measure one model on the VAL probes: ./eval.sh MODEL FOLDER [options of `in2 lm-eval`]
#   ./eval.sh {{ model }} results/before
#   ./eval.sh {{ trained }} results/after
#   in2 report results/before results/after --label before --label after -o report.html
# A quick look: --limit 100. BACKEND=in2-vllm is faster where vLLM is installed; TASKS=val_probe_4k asks something else.
set -euo pipefail
model="${1:?which model: a name or a folder}"
results="${2:?where to write the results}"
shift 2
backend="${BACKEND:-in2-hf}"
{% if rope %}
# the rotary embedding of the training, for the model as it is before it; a trained one has it in its config.json
rope='"max_position_embeddings": {{ longest }}, "rope_parameters": {{ rope_json }}'
{% endif %}
case "$backend" in
{% if rope %}
    *vllm*) arguments="\"max_model_len\": {{ longest }}, \"enable_prefix_caching\": true, \"hf_overrides\": {$rope}" ;;
    *) arguments="\"attn_implementation\": \"sdpa\", \"max_length\": {{ longest + 64 }}, $rope" ;; # shared contexts need sdpa
{% else %}
    *vllm*) arguments='"max_model_len": {{ window }}, "enable_prefix_caching": true' ;;
    *) arguments='"attn_implementation": "sdpa", "max_length": {{ window }}' ;; # shared contexts need sdpa
{% endif %}
esac
{% if thinking %}
# asked as it is trained: without thoughts, which Qwen3's template writes as an empty block before the answer
arguments+=', "enable_thinking": false'
{% endif %}
exec in2 lm-eval --model "$backend" --model_args "{\"pretrained\": \"$model\", \"dtype\": \"bfloat16\", $arguments}" \
    --tasks "${TASKS:-{{ tasks }}}" {{ form }} \
    --output_path "$results" "$@"
