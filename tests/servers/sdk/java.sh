#!/bin/sh
# The AWS SDK for Java, version 2.
. "$(dirname "$0")/lib.sh"

NAME=sdk-java-$(cat "$HERE/java/pom.xml" "$HERE/java/Client.java" | cksum | cut -d' ' -f1)
fill() {
    cp "$HERE/java/pom.xml" "$HERE/java/Client.java" "$1/" && cd "$1" &&
        mvn -q -B dependency:copy-dependencies -DoutputDirectory=lib -DincludeScope=runtime &&
        javac -cp 'lib/*' -d classes Client.java
}
install() {
    need java javac mvn
    install_once "$NAME" fill
}
run() { exec java -cp "$CACHE/$NAME/classes:$CACHE/$NAME/lib/*" Client "$@"; }
sdk install run "$@"
