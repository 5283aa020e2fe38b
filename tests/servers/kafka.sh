#!/bin/sh
# Apache Kafka 4.4, or KAFKA_VERSION, one node that is broker and controller, out of Maven's repository. PORT takes clients, the one behind it is the
# controller's. What it has on disk is used again.
#
# With KAFKA_LOGINS=FOLDER the second behind it takes who logs in over TLS: `lake` with its password by PLAIN and SCRAM, and tokens by
# OAUTHBEARER. The folder has server.pem (key and certificate) and jwks.json (whose tokens are trusted).
. "$(dirname "$0")/lib.sh"

VERSION=${KAFKA_VERSION:-4.4.0}
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

PASSWORD='pass/word+1'

logins() { # PORT
    cat <<END
listener.name.logins.ssl.keystore.type=PEM
listener.name.logins.ssl.keystore.location=$KAFKA_LOGINS/server.pem
listener.name.logins.sasl.enabled.mechanisms=PLAIN,SCRAM-SHA-256,SCRAM-SHA-512,OAUTHBEARER
listener.name.logins.plain.sasl.jaas.config=org.apache.kafka.common.security.plain.PlainLoginModule required user_lake="$PASSWORD";
listener.name.logins.scram-sha-256.sasl.jaas.config=org.apache.kafka.common.security.scram.ScramLoginModule required;
listener.name.logins.scram-sha-512.sasl.jaas.config=org.apache.kafka.common.security.scram.ScramLoginModule required;
listener.name.logins.oauthbearer.sasl.jaas.config=org.apache.kafka.common.security.oauthbearer.OAuthBearerLoginModule required;
listener.name.logins.oauthbearer.sasl.server.callback.handler.class=org.apache.kafka.common.security.oauthbearer.OAuthBearerValidatorCallbackHandler
listener.name.logins.oauthbearer.sasl.oauthbearer.jwks.endpoint.url=file://$KAFKA_LOGINS/jwks.json
listener.name.logins.oauthbearer.sasl.oauthbearer.expected.audience=brokers
listener.name.logins.oauthbearer.sasl.oauthbearer.expected.issuer=https://issuer.example
END
}

conf() { # DIR PORT
    more='' map=''
    if [ -n "${KAFKA_LOGINS:-}" ]; then
        more=,LOGINS://127.0.0.1:$(($2 + 2)) map=,LOGINS:SASL_SSL
        logins "$2"
    fi
    cat <<END
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:$(($2 + 1))
listeners=PLAINTEXT://127.0.0.1:$2,CONTROLLER://127.0.0.1:$(($2 + 1))$more
advertised.listeners=PLAINTEXT://127.0.0.1:$2$more
controller.listener.names=CONTROLLER
listener.security.protocol.map=CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT$map
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
            ${KAFKA_LOGINS:+--add-scram "SCRAM-SHA-256=[name=lake,password=$PASSWORD]" --add-scram "SCRAM-SHA-512=[name=lake,password=$PASSWORD]"} \
            >"$dir/format.log" 2>&1
    fi
    java -Xmx256m -Xms128m -Dorg.apache.kafka.sasl.oauthbearer.allowed.urls="file://${KAFKA_LOGINS:-}/jwks.json" -XX:+UseSerialGC -XX:TieredStopAtLevel=1 -cp "$lib/*" kafka.Kafka "$dir/kafka.properties" \
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
    printf '%s\n' "KAFKA=127.0.0.1:$2" "KAFKA_LOGINS=127.0.0.1:$(($2 + 2))" "KAFKA_PASSWORD=$PASSWORD" >"$dir/env"
}

command_line install start "$@"
