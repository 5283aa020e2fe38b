#!/bin/sh
# boto3, the SDK for Python.
. "$(dirname "$0")/lib.sh"

fill() {
    python3 -m venv "$1" && "$1/bin/pip" install -q boto3==1.43.11
}
install() {
    need python3
    install_once sdk-boto3-1.43.11 fill
}
run() { exec "$CACHE/sdk-boto3-1.43.11/bin/python" "$HERE/python/client.py" "$@"; }
sdk install run "$@"
