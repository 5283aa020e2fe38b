#!/bin/sh
# MinIO: the one store here that checks the payload hash and encrypts with a KMS (one key, test-key-1).
. "$(dirname "$0")/lib.sh"

VERSION=v0.0.0-20260212201848-7aac2a2c5b7c

get_minio() {
    go_install "$1" "github.com/minio/minio@$VERSION"
}

install() {
    need go curl flock
    install_once "minio-$VERSION" get_minio
}

start() {
    dir=$1 port=$2
    mkdir -p "$dir/data"
    MINIO_ROOT_USER=$S3_AK MINIO_ROOT_PASSWORD=$S3_SK MINIO_BROWSER=off MINIO_UPDATE=off MINIO_DOMAIN=s3.localhost \
        MINIO_REGION=$S3_REGION MINIO_KMS_SECRET_KEY=test-key-1:MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY= \
        HOME=$dir "$CACHE/minio-$VERSION/minio" server --anonymous --quiet --address "127.0.0.1:$port" \
        --certs-dir "$dir/certs" "$dir/data" >"$dir/server.log" 2>&1 </dev/null &
    started "$dir" $! "http://127.0.0.1:$port/minio/health/cluster" 60
    write_env "$dir" "$port" 1 0
    make_bucket "$port" $S3_BUCKET || true # there already when it is started again
}

command_line install start "$@"
