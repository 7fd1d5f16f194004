#!/bin/sh
# Makes the virtual environment that holds FusionBench, the peer of the spectral methods.
#
# Usage: Benchmarks/setup_fusion_bench.sh
#
# The environment goes to .venv/fusion in the project. Set FUSION_VENV to use one that exists
# already: it is checked and nothing is installed. The last line printed is its path.
set -eu

root=$(cd "$(dirname "$0")/.." && pwd)
venv=${FUSION_VENV:-$root/.venv/fusion}
fusion_version=0.2.33
torch_version=2.13.0

installed() {
  "$venv/bin/python" - "$1" <<'PYTHON'
import importlib.metadata
import sys

try:
    print(importlib.metadata.version(sys.argv[1]))
except importlib.metadata.PackageNotFoundError:
    print("none")
PYTHON
}

if [ -n "${FUSION_VENV:-}" ]; then
  if [ ! -x "$venv/bin/python" ]; then
    echo "FUSION_VENV is '$venv', but there is no bin/python in it." >&2
    exit 66
  fi
else
  python=${PYTHON:-python3}
  if [ ! -x "$venv/bin/python" ]; then
    "$python" -m venv "$venv"
  fi
  if [ "$(installed fusion-bench)" != "$fusion_version" ]; then
    # The processor build of torch is enough; an index can be named in PIP_EXTRA_INDEX_URL.
    "$venv/bin/python" -m pip install --quiet \
      "fusion-bench==$fusion_version" "torch==$torch_version" safetensors
  fi
fi

found=$(installed fusion-bench)
if [ "$found" = none ]; then
  echo "'$venv' has no fusion-bench; the comparison was made with $fusion_version." >&2
  exit 69
fi
echo "fusion-bench $found, torch $(installed torch)" >&2
echo "$venv"
