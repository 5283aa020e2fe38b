#!/bin/sh
# VictoriaLogs: takes Loki's pushes, Splunk's events and lines of JSON, each with its own parser. What it answered for
# may be in memory for some seconds, so it is no server to kill.
. "$(dirname "$0")/lib.sh"

VERSION=1.52.1

get_victorialogs() {
    go_install "$1" "github.com/VictoriaMetrics/VictoriaLogs/app/victoria-logs@v$VERSION"
}

install() {
    need go curl flock
    install_once "victorialogs-$VERSION" get_victorialogs
}

start() {
    "$CACHE/victorialogs-$VERSION/victoria-logs" -httpListenAddr="127.0.0.1:$2" -storageDataPath="$1/data" \
        >>"$1/server.log" 2>&1 </dev/null &
    started "$1" $! "http://127.0.0.1:$2/health" 30
    echo "RECEIVER_URL=http://127.0.0.1:$2" >"$1/env"
}

command_line install start "$@"
