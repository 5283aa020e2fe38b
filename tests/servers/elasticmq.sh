#!/bin/sh
# ElasticMQ, which speaks SQS, out of Maven's repository, with the queues `numbers` and `numbers.fifo`. Messages are kept in a database on disk,
# which is written before a message is acknowledged, and used again.
. "$(dirname "$0")/lib.sh"

VERSION=1.7.1
FOLDER=elasticmq-$VERSION

get_elasticmq() {
    cat >"$1/pom.xml" <<END
<project xmlns="http://maven.apache.org/POM/4.0.0">
<modelVersion>4.0.0</modelVersion><groupId>tests</groupId><artifactId>elasticmq</artifactId><version>1</version><packaging>pom</packaging>
<dependencies>
<dependency><groupId>org.elasticmq</groupId><artifactId>elasticmq-server_2.13</artifactId><version>$VERSION</version></dependency>
</dependencies></project>
END
    mvn -q -B -f "$1/pom.xml" dependency:copy-dependencies -DoutputDirectory="$1/lib" -DincludeScope=runtime
}

install() {
    need java mvn flock curl
    install_once "$FOLDER" get_elasticmq
}

start() { # DIR PORT
    cat >"$1/elasticmq.conf" <<END
include classpath("application.conf")
node-address { protocol = http, host = "127.0.0.1", port = $2, context-path = "" }
rest-sqs { enabled = true, bind-port = $2, bind-hostname = "127.0.0.1", sqs-limits = strict }
rest-stats { enabled = false }
messages-storage { enabled = true, driver-class = "org.h2.Driver", uri = "jdbc:h2:$1/messages;WRITE_DELAY=0", username = "", password = "" }
queues { numbers { }, "numbers.fifo" { fifo = true } }
END
    java -Xmx256m -XX:+UseSerialGC -XX:TieredStopAtLevel=1 -Dconfig.file="$1/elasticmq.conf" -cp "$CACHE/$FOLDER/lib/*" \
        org.elasticmq.server.Main >"$1/server.log" 2>&1 </dev/null &
    started "$1" $! "http://127.0.0.1:$2/health" 60
    echo "SQS_ENDPOINT=http://127.0.0.1:$2" >"$1/env"
}
command_line install start "$@"
