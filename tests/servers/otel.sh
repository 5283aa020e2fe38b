#!/bin/sh
# The OpenTelemetry Collector's receiver `otlp`: logs over HTTP.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/receiver.sh"

receiver otel
start() { run_receiver "$1" "$2" /v1/logs; }
command_line install start "$@"
