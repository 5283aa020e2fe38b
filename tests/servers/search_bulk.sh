#!/bin/sh
# search_bulk.sh SERVER PORT PROGRAM: starts the server and runs search_bulk against it.
set -eu
server=$(dirname "$0")/$1.sh
dir=$(mktemp -d)
trap '"$server" stop "$dir"; rm -rf "$dir"' EXIT
"$server" start "$dir" "$2"
. "$dir/env"
"$3" "$SEARCH_URL"
