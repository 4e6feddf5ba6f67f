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
case "$backend" in
    *vllm*) arguments='"max_model_len": 32832, "enable_prefix_caching": true' ;;
    *) arguments='"attn_implementation": "sdpa", "max_length": 32832' ;; # shared contexts need sdpa
esac
# asked as it is trained: without thoughts, which Qwen3's template writes as an empty block before the answer
arguments+=', "enable_thinking": false'
exec in2 lm-eval --model "$backend" --model_args "{\"pretrained\": \"$model\", \"dtype\": \"bfloat16\", $arguments}" \
    --tasks "${TASKS:-val_probe_8k,val_probe_32k}" --apply_chat_template \
    --output_path "$results" "$@"
