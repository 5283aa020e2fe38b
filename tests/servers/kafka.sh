#!/bin/sh
# Apache Kafka 4.4, one node that is broker and controller, out of Maven's repository. PORT takes clients, the one behind it is the
# controller's. What it has on disk is used again.
. "$(dirname "$0")/lib.sh"

VERSION=4.4.0
FOLDER=kafka-$VERSION

get_kafka() (
    cat >"$1/pom.xml" <<END
<project xmlns="http://maven.apache.org/POM/4.0.0">
<modelVersion>4.0.0</modelVersion><groupId>tests</groupId><artifactId>kafka</artifactId><version>1</version><packaging>pom</packaging>
<dependencies>
<dependency><groupId>org.apache.kafka</groupId><artifactId>kafka_2.13</artifactId><version>$VERSION</version></dependency>
<dependency><groupId>org.apache.kafka</groupId><artifactId>kafka-tools</artifactId><version>$VERSION</version></dependency>
</dependencies></project>
END
    mvn -q -B -f "$1/pom.xml" dependency:copy-dependencies -DoutputDirectory="$1/lib"
    java -cp "$1/lib/*" kafka.tools.StorageTool random-uuid
)

install() {
    need mvn java flock python3
    install_once $FOLDER get_kafka
}

conf() { # DIR PORT
    cat <<END
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:$(($2 + 1))
listeners=PLAINTEXT://127.0.0.1:$2,CONTROLLER://127.0.0.1:$(($2 + 1))
advertised.listeners=PLAINTEXT://127.0.0.1:$2
controller.listener.names=CONTROLLER
listener.security.protocol.map=CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT
inter.broker.listener.name=PLAINTEXT
log.dirs=$1/data
num.partitions=4
auto.create.topics.enable=false
offsets.topic.replication.factor=1
offsets.topic.num.partitions=1
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
transaction.state.log.num.partitions=1
group.initial.rebalance.delay.ms=0
broker.session.timeout.ms=2000
broker.heartbeat.interval.ms=500
log.cleaner.dedupe.buffer.size=4194304
message.max.bytes=20000000
END
}

# answers PORT: it says which requests it knows.
answers() {
    python3 - "$1" <<'END'
import socket, sys
try:
    with socket.create_connection(("127.0.0.1", int(sys.argv[1])), 1) as s:
        s.settimeout(1)
        s.sendall(b"\0\0\0\x0a\0\x12\0\0\0\0\0\x01\xff\xff")
        sys.exit(len(s.recv(8)) < 8)
except OSError:
    sys.exit(1)
END
}

start() {
    dir=$1 lib=$CACHE/$FOLDER/lib
    if [ ! -e "$dir/kafka.properties" ]; then
        conf "$dir" "$2" >"$dir/kafka.properties"
        java -cp "$lib/*" kafka.tools.StorageTool format -t "$(tail -1 "$CACHE/$FOLDER.log")" -c "$dir/kafka.properties" \
            >"$dir/format.log" 2>&1
    fi
    java -Xmx256m -Xms128m -XX:+UseSerialGC -XX:TieredStopAtLevel=1 -cp "$lib/*" kafka.Kafka "$dir/kafka.properties" \
        >>"$dir/server.log" 2>&1 </dev/null &
    pid=$!
    echo "$pid" >"$dir/pid"
    tries=600
    until answers "$2"; do
        tries=$((tries - 1))
        if [ "$tries" = 0 ] || ! kill -0 "$pid" 2>/dev/null; then
            tail -20 "$dir/server.log" >&2
            stop_server "$dir"
            exit 1
        fi
        sleep 0.1
    done
    echo "KAFKA=127.0.0.1:$2" >"$dir/env"
}

command_line install start "$@"
