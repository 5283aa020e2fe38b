#!/bin/sh
# Installs one of the senders that need a toolchain, once, and prints the command that runs it: sender.sh go | docker | collector | node
. "$(dirname "$0")/lib.sh"

HERE=$(cd "$(dirname "$0")" && pwd)
NODE_CLIENTS="splunk-logging@0.11.1 winston@3.19.0 winston-loki@6.1.7 @elastic/elasticsearch@9.4.3 @fluent-org/logger@1.0.10"
kind=$1
build_go() {
    cp "$HERE/senders/$kind/go.mod" "$HERE/senders/$kind/main.go" "$1/" && cd "$1" &&
        GOFLAGS=-mod=mod CGO_ENABLED=0 go build -trimpath -ldflags='-s -w' -o sender .
}
fill_node() {
    # shellcheck disable=SC2086 # they are words
    cd "$1" && npm init -y >/dev/null && npm install --no-audit --no-fund $NODE_CLIENTS
}
case $kind in
go | docker | collector)
    need go flock
    name=sender-$kind-$(cat "$HERE/senders/$kind/go.mod" "$HERE/senders/$kind/main.go" | cksum | cut -d' ' -f1)
    install_once "$name" build_go
    echo "$CACHE/$name/sender"
    ;;
node)
    need node npm flock
    name=sender-node-$(echo "$NODE_CLIENTS" | cksum | cut -d' ' -f1)
    install_once "$name" fill_node
    echo "env NODE_PATH=$CACHE/$name/node_modules node $HERE/senders/node/client.cjs"
    ;;
*)
    echo "usage: sender.sh go | docker | collector | node" >&2
    exit 2
    ;;
esac
