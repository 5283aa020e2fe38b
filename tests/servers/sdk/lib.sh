# lib.sh -- what the scripts here share. Each installs one client of the Firehose API and runs it against a server:
#
#   NAME.sh ENDPOINT STREAM [ACCESS_KEY_ID SECRET_ACCESS_KEY]
#   NAME.sh install
#
# It prints "ok N - what" and "not ok N - what" lines, and exits 0 when all are ok, 1 when one is not, 77 when the client
# cannot be installed here. The client is installed once, outside the tree.
HERE=$(cd "$(dirname "$0")" && pwd)
. "$HERE/../lib.sh"

# sdk INSTALL RUN "$@"
sdk() {
    install=$1 run=$2
    shift 2
    case $# in
    1 | 2 | 4) ;;
    *)
        echo "usage: $(basename "$0") ENDPOINT STREAM [ACCESS_KEY_ID SECRET_ACCESS_KEY] | install" >&2
        exit 2
        ;;
    esac
    $install
    [ "$1" = install ] && exit 0
    # A server that checks nothing takes any key, but SDKs do not send without one.
    export AWS_ACCESS_KEY_ID="${3:-anykey}" AWS_SECRET_ACCESS_KEY="${4:-anysecret}"
    export AWS_REGION=us-east-1 AWS_DEFAULT_REGION=us-east-1 AWS_EC2_METADATA_DISABLED=true
    export AWS_CONFIG_FILE=/dev/null AWS_SHARED_CREDENTIALS_FILE=/dev/null
    unset AWS_SESSION_TOKEN AWS_PROFILE || true
    if [ $# -eq 4 ]; then SIGNED=1; else SIGNED=0; fi
    export SIGNED
    $run "$1" "$2"
}
