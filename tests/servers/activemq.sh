#!/bin/sh
# ActiveMQ Classic with AMQP 1.0, STOMP and MQTT, in a small program of its own (activemq/Broker.java). Uses PORT for AMQP, PORT + 1 for STOMP and
# PORT + 2 for MQTT; with TLS PORT + 3 for STOMP and PORT + 4 for AMQP.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/java_broker.sh"

JARS="org.apache.activemq:activemq-broker:6.1.7 org.apache.activemq:activemq-amqp:6.1.7
org.apache.activemq:activemq-stomp:6.1.7 org.apache.activemq:activemq-mqtt:6.1.7 org.apache.activemq:activemq-jaas:6.1.7 org.apache.activemq:activemq-kahadb-store:6.1.7 org.slf4j:slf4j-simple:2.0.16"
java_broker activemq

start() {
    run_broker "$1" "$2"
    printf 'AMQP_PORT=%s\nSTOMP_PORT=%s\nMQTT_PORT=%s\nSTOMP_TLS_PORT=%s\nAMQP_TLS_PORT=%s\n' \
        "$2" $(($2 + 1)) $(($2 + 2)) $(($2 + 3)) $(($2 + 4)) >"$1/env"
}
command_line install start "$@"
