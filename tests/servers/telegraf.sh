#!/bin/sh
# Telegraf's input plugin `firehose`: Firehose's requests to an HTTP endpoint, with its access key.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/receiver.sh"

KEY='telegrafAccessKey/with+signs=0123456789'

receiver telegraf
start() {
    run_receiver "$1" "$2" /firehose "$KEY"
    echo "RECEIVER_KEY=$KEY" >>"$1/env"
}
command_line install start "$@"
