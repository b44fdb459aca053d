#!/usr/bin/env bash
# Closes the column "needs a GPU" of docs/engines.md on a host with an NVIDIA GPU: builds every engine with
# TensorRT and torch-tensorrt in fp32 and fp16, checks parity, runs the tests marked gpu, and measures.
#
#   bench/gpu_acceptance.sh [OUT]        OUT: folder of the report, default out/gpu-acceptance
#
# PYTHON names the interpreter (default .venv/bin/python), MAX_BATCH the largest batch (default 8), CLIPS files or
# folders with faces and voices for the comparison of verdicts (default: the clips that the command finds itself).
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

out=${1:-out/gpu-acceptance}
python=${PYTHON:-.venv/bin/python}
max_batch=${MAX_BATCH:-8}
failures=()

missing() {
  printf 'MISSING: %s\n  %s\n' "$1" "$2" >&2
  lacking=1
}

step() {
  local name=$1
  shift
  printf '\n== %s ==\n' "$name"
  printf '$'
  printf ' %q' "$@"
  printf '\n'
  if "$@" 2>&1 | tee "$out/logs/${name// /-}.log"; then
    printf 'PASSED: %s\n' "$name"
  else
    printf 'FAILED: %s\n' "$name"
    failures+=("$name")
    return 1
  fi
}

lacking=0
command -v nvidia-smi >/dev/null || missing "nvidia-smi" "install the NVIDIA driver"
if [[ ! -x "$(command -v "$python" || true)" ]]; then
  missing "$python" "run make test once, or set PYTHON"
else
  declare -A extras=(
    [tensorrt]=tensorrt [cuda.bindings.runtime]=tensorrt
    [torch]=torch-tensorrt [torch_tensorrt]=torch-tensorrt [pytest]=test
  )
  for module in "${!extras[@]}"; do
    error=$("$python" -c "import importlib; importlib.import_module('$module')" 2>&1) \
      || missing "the module $module (${error##*$'\n'})" "$python -m pip install -e '.[${extras[$module]}]'"
  done
  ((lacking)) || "$python" -c 'import torch, sys; sys.exit(not torch.cuda.is_available())' \
    || missing "a GPU that torch can use" "compare the driver in nvidia-smi with the CUDA version of torch"
fi
if ((lacking)); then
  echo "Nothing was run." >&2
  exit 2
fi

mkdir -p "$out/logs"
seamwatch=("$python" -c 'import sys; from clients.cli.main import main; sys.argv[0] = "seamwatch"; main()')
clips=()
for clip in ${CLIPS:-}; do
  clips+=(--clips "$clip")
done
report=$out/report.txt
exec > >(tee "$report") 2>&1

echo "Seamwatch GPU acceptance, $(date -u +%Y-%m-%dT%H:%M:%SZ), commit $(git rev-parse --short HEAD 2>/dev/null || echo unknown)"
nvidia-smi --query-gpu=name,driver_version,memory.total,compute_cap --format=csv
"$python" -m pip list 2>/dev/null | grep -iE '^(tensorrt|torch|torch.tensorrt|cuda.bindings|onnx|onnxruntime|numpy) ' || true

step "models" "${seamwatch[@]}" models pull || true

built=()
for precision in fp32 fp16; do
  for backend in tensorrt torch-tensorrt; do
    name=$backend-$precision
    choice=(--backend tensorrt)
    # The pinned models are graphs without a torch module.
    [[ $backend == torch-tensorrt ]] && choice+=(--backend visual=torch-tensorrt --backend audio=torch-tensorrt)
    if step "build $name" "${seamwatch[@]}" engines build "${choice[@]}" --precision "$precision" \
      --max-batch "$max_batch" --out "$out/engines/$name" "${clips[@]}"; then
      built+=("$out/engines/$name")
      step "verify $name" "${seamwatch[@]}" engines verify "$out/engines/$name" "${clips[@]}" || true
    fi
  done
done

step "tests" "$python" -m pytest -m gpu tests/gpu -rs -p no:cacheprovider || true
if grep -qE '(^|[^0-9])[1-9][0-9]* skipped' "$out/logs/tests.log"; then
  echo "FAILED: tests were skipped on a host that has everything."
  failures+=("tests skipped")
fi

if ((${#built[@]})); then
  step "latency" "$python" -m bench.engine_latency --output "$out/latency.json" "${built[@]}" || true
else
  failures+=("nothing to measure")
fi

echo
if ((${#failures[@]})); then
  echo "NOT ACCEPTED. Failed: $(IFS=';'; echo "${failures[*]}")"
  echo "Report: $report, logs: $out/logs"
  exit 1
fi
echo "ACCEPTED. Report: $report"
