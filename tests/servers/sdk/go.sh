#!/bin/sh
# The AWS SDK for Go, version 2.
. "$(dirname "$0")/lib.sh"

fill() {
    cp "$HERE/go/go.mod" "$HERE/go/client.go" "$1/" && cd "$1" &&
        GOFLAGS=-mod=mod go build -trimpath -o client .
}
NAME=sdk-go-$(cat "$HERE/go/go.mod" "$HERE/go/client.go" | cksum | cut -d' ' -f1)
install() {
    need go
    install_once "$NAME" fill
}
run() { exec "$CACHE/$NAME/client" "$@"; }
sdk install run "$@"
