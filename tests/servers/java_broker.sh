# java_broker.sh -- what activemq.sh and artemis.sh share: a broker out of Maven's jars and a main program beside the script.
# JARS names them, as group:artifact:version. With BROKER_TLS=FOLDER the user `lake` must log in, with the password pass/word+1, and there are ports with
# TLS by server.p12 in it.
HERE=$(cd "$(dirname "$0")" && pwd)

# java_broker FOLDER: the name of its source and its installed form.
java_broker() {
    SOURCE=$HERE/$1
    NAME=$1-$(echo "$JARS" | cat - "$SOURCE/Broker.java" | cksum | cut -d' ' -f1)
}

get_jars() {
    {
        echo '<project xmlns="http://maven.apache.org/POM/4.0.0"><modelVersion>4.0.0</modelVersion>'
        echo '<groupId>sluice</groupId><artifactId>broker</artifactId><version>1</version><packaging>pom</packaging><dependencies>'
        for jar in $JARS; do
            echo "$jar" | sed 's,\(.*\):\(.*\):\(.*\),<dependency><groupId>\1</groupId><artifactId>\2</artifactId><version>\3</version></dependency>,'
        done
        echo '</dependencies></project>'
    } >"$1/pom.xml"
    mvn -q -B -f "$1/pom.xml" dependency:copy-dependencies "-DoutputDirectory=$1/lib" -DincludeScope=runtime &&
        javac -cp "$1/lib/*" -d "$1/classes" "$SOURCE/Broker.java"
}

install() {
    need java javac mvn flock
    install_once "$NAME" get_jars
}

# run_broker DIR PORT
run_broker() {
    mkdir -p "$1/data"
    java -Xmx256m -XX:+UseSerialGC -XX:TieredStopAtLevel=1 -Dorg.slf4j.simpleLogger.defaultLogLevel=warn \
        ${BROKER_TLS:+-Djavax.net.ssl.keyStore="$BROKER_TLS/server.p12" -Djavax.net.ssl.keyStorePassword=changeit -Djavax.net.ssl.keyStoreType=PKCS12} \
        -cp "$CACHE/$NAME/classes:$CACHE/$NAME/lib/*" Broker "$1/data" "$2" ${BROKER_TLS:+"$BROKER_TLS/server.p12"} >"$1/server.log" 2>&1 </dev/null &
    echo $! >"$1/pid"
    tries=600
    until grep -q '^READY' "$1/server.log"; do
        tries=$((tries - 1))
        if [ $tries = 0 ] || ! kill -0 "$(cat "$1/pid")" 2>/dev/null; then
            tail -20 "$1/server.log" >&2
            stop_server "$1"
            exit 1
        fi
        sleep 0.1
    done
}
