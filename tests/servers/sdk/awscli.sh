#!/bin/sh
# The AWS CLI: the one that is there, else version 2 as Debian has it.
. "$(dirname "$0")/lib.sh"

install() {
    command -v aws >/dev/null 2>&1 && return
    [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1 || skip "needs aws, which is not installed (Debian: awscli)"
    apt-get install -y -q awscli >/dev/null 2>&1 || skip "apt-get cannot install awscli"
}

count=0 failed=0
# case_of WHAT PATTERN EXIT COMMAND...: the output must match, and the exit code be zero or not.
case_of() {
    what=$1 pattern=$2 want=$3
    shift 3
    count=$((count + 1))
    if out=$("$@" 2>&1); then code=0; else code=1; fi
    if [ "$code" = "$want" ] && printf '%s\n' "$out" | grep -qE "$pattern"; then
        echo "ok $count - $what"
    else
        failed=$((failed + 1))
        echo "not ok $count - $what"
        printf '%s\n' "$out" | sed 's/^/#   /' | head -10
    fi
}

firehose() { aws firehose --output json --endpoint-url "$endpoint" "$@"; }

run() {
    endpoint=$1 stream=$2
    # Version 2 reads blobs as base64 unless told otherwise, version 1 as they are.
    if aws --version 2>&1 | grep -q '^aws-cli/1'; then raw=; else raw="--cli-binary-format raw-in-base64-out"; fi
    export AWS_MAX_ATTEMPTS=2 AWS_PAGER=
    case_of "put-record" '"RecordId": "..+"' 0 \
        firehose put-record $raw --delivery-stream-name "$stream" --record '{"Data":"from the CLI\n"}'
    case_of "put-record-batch" '"FailedPutCount": 0' 0 \
        firehose put-record-batch $raw --delivery-stream-name "$stream" --records '[{"Data":"a"},{"Data":"b"}]'
    case_of "describe-delivery-stream" '"DeliveryStreamStatus": "ACTIVE"' 0 \
        firehose describe-delivery-stream --delivery-stream-name "$stream"
    case_of "list-delivery-streams" "\"$stream\"" 0 firehose list-delivery-streams
    case_of "an unknown stream" 'ResourceNotFoundException.*Firehose nosuch under account' 1 \
        firehose put-record $raw --delivery-stream-name nosuch --record '{"Data":"x"}'
    case_of "creating a stream says YAML" 'InvalidArgumentException.*YAML' 1 \
        firehose create-delivery-stream --delivery-stream-name new
    if [ "$SIGNED" = 1 ]; then
        export AWS_SECRET_ACCESS_KEY=not-it
        case_of "a wrong secret" 'InvalidSignatureException' 1 firehose list-delivery-streams
        export AWS_ACCESS_KEY_ID=AKNOBODY
        case_of "an unknown key" 'UnrecognizedClientException' 1 firehose list-delivery-streams
    fi
    echo "1..$count"
    [ "$failed" = 0 ]
}
sdk install run "$@"
