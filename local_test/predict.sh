#!/bin/bash
# Send a payload to the server that serve_local.sh started, and print its answer.
#
#   local_test/predict.sh [FILE [CONTENT_TYPE [ACCEPT]]]
#
# FILE is payloads/payload.csv unless given; the content type follows from its name.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
file=${1:-$here/payloads/payload.csv}
case $file in
    *.json) content_type=application/json ;;
    *) content_type=text/csv ;;
esac
curl --fail-with-body --silent --show-error \
    --data-binary "@$file" \
    --header "Content-Type: ${2:-$content_type}" \
    --header "Accept: ${3:-application/json}" \
    http://localhost:8080/invocations
echo
