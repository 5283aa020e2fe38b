#!/bin/sh
# ActiveMQ Artemis with AMQP 1.0 and STOMP on PORT and MQTT on the next, with TLS on the one behind, in a small program of its own (artemis/Broker.java). Queues are made when they are first
# used, but for names that begin with `t.`, which are topics.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/java_broker.sh"

JARS="org.apache.activemq:artemis-server:2.40.0 org.apache.activemq:artemis-amqp-protocol:2.40.0
org.apache.activemq:artemis-stomp-protocol:2.40.0 org.apache.activemq:artemis-mqtt-protocol:2.40.0 org.slf4j:slf4j-simple:2.0.16"
java_broker artemis

start() {
    run_broker "$1" "$2"
    printf 'AMQP_PORT=%s\nSTOMP_PORT=%s\nMQTT_PORT=%s\nTLS_PORT=%s\n' "$2" "$2" $(($2 + 1)) $(($2 + 2)) >"$1/env"
}
command_line install start "$@"
