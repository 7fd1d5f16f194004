#!/bin/sh
# Makes the virtual environment that holds the peer program, mergekit 0.1.5.
#
# Usage: Benchmarks/setup_peer.sh
#
# The environment goes to .venv/bench in the project. Set PEER_VENV to use one that exists
# already: it is checked and nothing is installed. The last line printed is its path.
set -eu

root=$(cd "$(dirname "$0")/.." && pwd)
venv=${PEER_VENV:-$root/.venv/bench}
mergekit_version=0.1.5
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

if [ -n "${PEER_VENV:-}" ]; then
  if [ ! -x "$venv/bin/python" ]; then
    echo "PEER_VENV is '$venv', but there is no bin/python in it." >&2
    exit 66
  fi
else
  python=${PYTHON:-python3}
  if [ ! -x "$venv/bin/python" ]; then
    "$python" -m venv "$venv"
  fi
  if [ "$(installed mergekit)" != "$mergekit_version" ]; then
    # The processor build of torch is enough; an index can be named in PIP_EXTRA_INDEX_URL.
    "$venv/bin/python" -m pip install --quiet \
      "mergekit==$mergekit_version" "torch==$torch_version"
  fi
fi

found=$(installed mergekit)
if [ "$found" != "$mergekit_version" ]; then
  echo "'$venv' has mergekit $found; the comparison needs $mergekit_version." >&2
  exit 69
fi
echo "mergekit $found, torch $(installed torch)" >&2
echo "$venv"
