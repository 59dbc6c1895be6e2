#!/bin/bash
# Serve the model that train_local.sh made, at http://localhost:8080 until Ctrl-C.
#
#   local_test/serve_local.sh [IMAGE]
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
base=$here/test_dir

if [[ $# -gt 0 ]]; then
    exec docker run --rm -v "$base:/opt/ml:ro" -p 127.0.0.1:8080:8080 "$1" serve
fi
exec "$here/../container/serve" --base "$base"
