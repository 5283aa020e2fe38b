#!/bin/sh
# s3_put.sh SERVER PORT PROGRAM: starts the server, runs s3_put against it and reads two objects back with another client.
set -eu
here=$(dirname "$0")
server=$here/s3_$1.sh
dir=$(mktemp -d)
trap '"$server" stop "$dir"; rm -rf "$dir"' EXIT
"$server" start "$dir" "$2"
"$3" "$dir/env"
. "$dir/env"

# read_back PATH: signed by curl, not by us.
read_back() {
    curl -sf --max-time 10 --path-as-is --aws-sigv4 "aws:amz:$S3_REGION:s3" -u "$S3_ACCESS_KEY_ID:$S3_SECRET_ACCESS_KEY" \
        -H "x-amz-content-sha256: e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855" \
        "$S3_ENDPOINT/$S3_BUCKET/$1"
}
[ "$(read_back put/plain)" = hello ] || { echo "not ok - put/plain does not read back"; exit 1; }
[ "$(read_back put/large | tr -d x | wc -c)" = 0 ] || { echo "not ok - put/large does not read back"; exit 1; }
[ "$(read_back put/large | wc -c)" = 3145728 ] || { echo "not ok - put/large has another size"; exit 1; }
