#!/bin/sh
# The AWS SDK for JavaScript, version 3.
. "$(dirname "$0")/lib.sh"

NAME=sdk-node-3.908.0
fill() {
    cd "$1" && npm init -y >/dev/null && npm install --no-audit --no-fund @aws-sdk/client-firehose@3.908.0
}
install() {
    need node npm
    install_once "$NAME" fill
}
run() { NODE_PATH="$CACHE/$NAME/node_modules" exec node "$HERE/node/client.cjs" "$@"; }
sdk install run "$@"
