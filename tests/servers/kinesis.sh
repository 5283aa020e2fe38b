#!/bin/sh
# kinesis-local, a Kinesis Data Streams in memory, out of npm. PORT takes HTTP, the one behind it TLS (it wants both).
. "$(dirname "$0")/lib.sh"

VERSION=0.6.2
FOLDER=kinesis-local-$VERSION

get_kinesis() {
    npm install --silent --no-audit --no-fund --prefix "$1" kinesis-local@$VERSION
}

install() {
    need npm node flock
    install_once $FOLDER get_kinesis
}

start() {
    dir=$1
    cd "$CACHE/$FOLDER/node_modules/kinesis-local" # its certificate lies there
    KINESIS_MOCK_PLAIN_PORT=$2 KINESIS_MOCK_TLS_PORT=$(($2 + 1)) LOG_LEVEL=ERROR \
        node main.js >>"$dir/server.log" 2>&1 </dev/null 9>&- &
    started "$dir" $! "http://127.0.0.1:$2/healthcheck" 30
    echo "KINESIS=http://127.0.0.1:$2" >"$dir/env"
}

command_line install start "$@"
