#!/bin/sh
# Installs a client from PyPI into an environment of its own, once, and prints the Python that has it: client_venv.sh PACKAGE==VERSION
. "$(dirname "$0")/lib.sh"

package=$1
fill() {
    python3 -m venv "$1" && "$1/bin/pip" install -q "$package"
}
need python3 flock
install_once "client-$package" fill
echo "$CACHE/client-$package/bin/python"
