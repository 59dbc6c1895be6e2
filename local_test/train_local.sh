#!/bin/bash
# Train on test_dir: with an image, as SageMaker would run it; with none, with container/train of this checkout.
#
#   local_test/train_local.sh [IMAGE]
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
base=$here/test_dir
mkdir -p "$base/model" "$base/output"

if [[ $# -gt 0 ]]; then
    exec docker run --rm -v "$base:/opt/ml" "$1" train
fi
exec "$here/../container/train" --base "$base"
