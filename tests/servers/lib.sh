# lib.sh -- what the scripts here share: one server each, installed once outside the tree, started and ended by process
# id.
#
#   s3_NAME.sh install          into $SLUICE_TEST_CACHE, else ~/.cache/sluice-tests; does nothing the second time
#   s3_NAME.sh start DIR PORT   returns when it answers; writes DIR/env (NAME=value lines) and DIR/pid
#   s3_NAME.sh stop DIR         ends it at once, as a power cut would
#
# Exit code 77: it cannot be installed here (no tool, no network); the last line says why.
set -eu

CACHE=${SLUICE_TEST_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/sluice-tests}

# The `/` and `+` are deliberate: keys that are put into a URL or a header without care break on them.
S3_AK=TESTACCESSKEY0000001
S3_SK='testSecretKey/abcdefghijklmnopqrstuvwxyz+1'
S3_RO_AK=READONLYKEY000000001
S3_RO_SK=readonlySecretKey0000000000000000000001
S3_REGION=us-east-1
S3_BUCKET=testbucket

skip() {
    echo "$(basename "$0"): $*" >&2
    exit 77
}

# need COMMAND...: skips when one is missing.
need() {
    for tool in "$@"; do
        command -v "$tool" >/dev/null 2>&1 || skip "needs $tool, which is not installed"
    done
}

# install_once FOLDER FUNCTION: FUNCTION fills the folder it is given. Two that come at the same time wait for one
# another; an install that broke off leaves nothing behind.
install_once() {
    target=$CACHE/$1
    [ -e "$target/.complete" ] && return 0
    mkdir -p "$CACHE"
    exec 9>"$CACHE/.lock-$1" # of this one: a long install keeps no other waiting
    flock 9
    if [ ! -e "$target/.complete" ]; then
        rm -rf "$target"
        mkdir -p "$target"
        if ! "$2" "$target" >"$CACHE/$1.log" 2>&1 9>&-; then
            tail -5 "$CACHE/$1.log" >&2
            skip "cannot be installed; see $CACHE/$1.log"
        fi
        touch "$target/.complete"
    fi
    exec 9>&-
}

# go_install FOLDER PACKAGE@VERSION
go_install() {
    CGO_ENABLED=0 GOBIN=$1 go install -trimpath -ldflags='-s -w' "$2"
}

# wait_for URL SECONDS PID [STATUS]: until it answers 200, or STATUS, and the process lives.
wait_for() {
    tries=$(($2 * 10))
    while [ "$tries" -gt 0 ]; do
        kill -0 "$3" 2>/dev/null || return 1
        [ "$(curl -s -o /dev/null -w '%{http_code}' --max-time 2 "$1")" = "${4:-200}" ] && return 0
        tries=$((tries - 1))
        sleep 0.1
    done
    return 1
}

# started DIR PID URL SECONDS [STATUS]: waits for the server; shows its log when it does not come up.
started() {
    echo "$2" >"$1/pid"
    if ! wait_for "$3" "$4" "$2" "${5:-200}"; then
        tail -20 "$1/server.log" >&2
        stop_server "$1"
        echo "$(basename "$0"): did not answer at $3 within $4 s" >&2
        exit 1
    fi
}

# write_env DIR PORT STRICT READ_ONLY: what a test must know. STRICT=1: the server checks payload hash, region and
# service. READ_ONLY=1: it also has a second identity that may not write.
write_env() {
    cat >"$1/env" <<END
S3_ENDPOINT=http://127.0.0.1:$2
S3_REGION=$S3_REGION
S3_BUCKET=$S3_BUCKET
S3_ACCESS_KEY_ID=$S3_AK
S3_SECRET_ACCESS_KEY=$S3_SK
S3_STRICT=$3
END
    [ "$4" = 0 ] || cat >>"$1/env" <<END
S3_RO_ACCESS_KEY_ID=$S3_RO_AK
S3_RO_SECRET_ACCESS_KEY=$S3_RO_SK
END
}

# make_bucket PORT NAME
make_bucket() {
    curl -sf --max-time 10 -X PUT --aws-sigv4 "aws:amz:$S3_REGION:s3" -u "$S3_AK:$S3_SK" \
        -H "x-amz-content-sha256: e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855" \
        "http://127.0.0.1:$1/$2" >/dev/null
}

stop_server() {
    [ -e "$1/pid" ] || return 0
    kill -9 "$(cat "$1/pid")" 2>/dev/null || true
    while kill -0 "$(cat "$1/pid")" 2>/dev/null; do sleep 0.05; done
    if [ -e "$1/leftovers" ]; then # files outside of DIR that the server does not remove, one a line
        xargs rm -f <"$1/leftovers"
    fi
    rm -f "$1/pid"
}

# command_line INSTALL START "$@": calls INSTALL or START DIR PORT by the first argument.
command_line() {
    install=$1 start=$2
    shift 2
    case "${1:-} $#" in
    "install 1") $install ;;
    "start 3")
        $install
        mkdir -p "$2"
        $start "$(cd "$2" && pwd)" "$3"
        ;;
    "stop 2") stop_server "$2" ;;
    *)
        echo "usage: $(basename "$0") install | start DIR PORT | stop DIR" >&2
        exit 2
        ;;
    esac
}
