#!/bin/bash
# Start a Docker engine on a machine where none runs (CI's); one that answers already is left alone.
#
#   tests/image/start_engine.sh LOGFILE        needs root on Debian or Ubuntu
#
# Prints the process id of the engine it started, or nothing. The caller ends that process when it is done.
set -euo pipefail

log=${1:?usage: start_engine.sh LOGFILE}
seconds_to_start=60

answers() { timeout 20 docker info >/dev/null 2>&1; }

answers && exit 0

missing=()
for pair in dockerd:docker.io containerd:containerd iptables:iptables; do
    command -v "${pair%%:*}" >/dev/null || missing+=("${pair##*:}")
done
if ((${#missing[@]})); then
    echo "installing ${missing[*]}" >&2
    export DEBIAN_FRONTEND=noninteractive
    timeout 300 apt-get update -qq >&2
    timeout 600 apt-get install -y -qq --no-install-recommends "${missing[@]}" >"$log" 2>&1 || { tail -30 "$log" >&2; exit 1; }
fi
answers && exit 0

# A machine that was switched off leaves these behind, and an engine that finds one refuses to start.
if ! pgrep -x dockerd >/dev/null; then
    rm -f /var/run/docker.pid
    pgrep -x containerd >/dev/null || rm -f /var/run/docker/containerd/containerd.pid
fi

setsid dockerd >"$log" 2>&1 </dev/null &
engine=$!
for ((second = 0; second < seconds_to_start; second++)); do
    if answers; then
        echo "$engine"
        exit 0
    fi
    kill -0 "$engine" 2>/dev/null || break
    sleep 1
done
echo "no Docker engine within $seconds_to_start s; the end of its log, $log:" >&2
tail -40 "$log" >&2
kill "$engine" 2>/dev/null || true
exit 1
