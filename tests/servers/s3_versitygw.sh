#!/bin/sh
# VersityGW over a folder: strict where SeaweedFS is lax (payload hash, region, service, bucket owner). The folder's file
# system needs user xattrs.
. "$(dirname "$0")/lib.sh"

VERSION=1.8.0

get_versitygw() {
    go_install "$1" "github.com/versity/versitygw/cmd/versitygw@v$VERSION"
}

install() {
    need go curl flock
    install_once "versitygw-$VERSION" get_versitygw
}

start() {
    dir=$1 port=$2
    mkdir -p "$dir/data" "$dir/iam"
    "$CACHE/versitygw-$VERSION/versitygw" --port "127.0.0.1:$port" --access "$S3_AK" --secret "$S3_SK" \
        --region $S3_REGION --health /health --virtual-domain "s3.localhost:$port" --iam-dir "$dir/iam" \
        posix "$dir/data" >"$dir/server.log" 2>&1 </dev/null &
    started "$dir" $! "http://127.0.0.1:$port/health" 30
    write_env "$dir" "$port" 1 0
    echo "S3_ADMIN=$CACHE/versitygw-$VERSION/versitygw" >>"$dir/env"
    [ -d "$dir/data/$S3_BUCKET" ] || make_bucket "$port" $S3_BUCKET # there already when it is started again
}

command_line install start "$@"
