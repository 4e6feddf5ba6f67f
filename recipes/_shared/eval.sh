#!/usr/bin/env bash
# Evaluate one model: ./eval.sh MODEL FOLDER [probes|suite]
#   ./eval.sh mistralai/Mistral-7B-Instruct-v0.2 results/before
#   ./eval.sh out results/after
#   in2 report results/before results/after --label before --label after -o report.html
# probes: the VAL probes, ours and the published ones. suite: LongBench, few-shot and short tasks, RULER.
# BACKEND=in2-vllm is faster if vLLM is installed; MODEL_ARGS and METADATA override the defaults below.
set -euo pipefail
model="${1:?model name or folder}"
results="${2:?results folder}"
what="${3:-probes}"
backend="${BACKEND:-in2-hf}"
case "$backend" in
    *vllm*) arguments="dtype=bfloat16,max_model_len=32768,enable_prefix_caching=True" ;;
    *) arguments="dtype=bfloat16,attn_implementation=sdpa,max_length=32768" ;; # shared contexts need sdpa
esac
case "$what" in
    probes) # prompts in the format of the training data (build.yml: `template: film`)
        tasks="${TASKS:-val_probe,val_probe_paper}"
        metadata='{"probe_template": "film"}'
        template=()
        ;;
    suite) # lm_eval tasks, with the model's own chat template; the lengths are RULER's
        tasks="${TASKS:-film_longbench,film_fewshot,film_short,film_ruler}"
        metadata='{"max_seq_lengths": [4096, 8192, 16384, 32768]}'
        template=(--apply_chat_template)
        ;;
    *)
        echo "eval.sh: the third argument must be probes or suite, not $what" >&2
        exit 2
        ;;
esac
exec in2 lm-eval --model "$backend" --model_args "pretrained=$model,${MODEL_ARGS:-$arguments}" --tasks "$tasks" \
    --metadata "${METADATA:-$metadata}" "${template[@]}" --output_path "$results"
