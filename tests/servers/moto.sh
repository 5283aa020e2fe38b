#!/bin/sh
# moto, which speaks SQS among many others, in a process of its own. All it has is in memory: a restart is an empty one.
. "$(dirname "$0")/lib.sh"

PACKAGE='moto[server]==5.2.1'

fill() {
    python3 -m venv "$1" && "$1/bin/pip" install -q "$PACKAGE"
}

install() {
    need python3 flock curl
    install_once "client-$PACKAGE" fill
}

start() { # DIR PORT
    "$CACHE/client-$PACKAGE/bin/python" -m moto.server -H 127.0.0.1 -p "$2" >"$1/server.log" 2>&1 </dev/null &
    started "$1" $! "http://127.0.0.1:$2/moto-api/" 60
    echo "SQS_ENDPOINT=http://127.0.0.1:$2" >"$1/env"
}
command_line install start "$@"
