#!/bin/sh
# Makes the virtual environment that holds a peer program: mergekit, or FusionBench for spectral methods.
#
# Usage: Benchmarks/setup_peer.sh [mergekit|fusion-bench]
#
# The environment goes to .venv/bench or .venv/fusion in the project. Set PEER_VENV or FUSION_VENV to
# use one that exists already: it is checked and nothing is installed. The last line printed is its path.
set -eu

root=$(cd "$(dirname "$0")/.." && pwd)
peer=${1:-mergekit}
torch_version=2.13.0
case $peer in
mergekit)
  version=0.1.5
  given=${PEER_VENV:-}
  venv=${given:-$root/.venv/bench}
  more=
  ;;
fusion-bench)
  version=0.2.33
  given=${FUSION_VENV:-}
  venv=${given:-$root/.venv/fusion}
  # Newer ones have not what this version imports.
  more="safetensors requests transformers==4.57.1 huggingface-hub==0.36.0 datasets==4.0.0"
  ;;
*)
  echo "There is no peer '$peer'; there are mergekit and fusion-bench." >&2
  exit 64
  ;;
esac

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

if [ -n "$given" ]; then
  if [ ! -x "$venv/bin/python" ]; then
    echo "The environment for $peer is '$venv', but there is no bin/python in it." >&2
    exit 66
  fi
else
  python=${PYTHON:-python3}
  if [ ! -x "$venv/bin/python" ]; then
    "$python" -m venv "$venv"
  fi
  if [ "$(installed "$peer")" != "$version" ]; then
    # The processor build of torch is enough; an index can be named in PIP_EXTRA_INDEX_URL.
    # shellcheck disable=SC2086
    "$venv/bin/python" -m pip install --quiet "$peer==$version" "torch==$torch_version" $more
  fi
fi

found=$(installed "$peer")
if [ "$found" != "$version" ]; then
  echo "'$venv' has $peer $found; the comparison needs $version." >&2
  exit 69
fi
echo "$peer $found, torch $(installed torch)" >&2
echo "$venv"
