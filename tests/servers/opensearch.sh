#!/bin/sh
# OpenSearch without plugins, one node. Uses PORT and PORT + 100. Started without its own script, which takes ten times as
# long. opensearch.sh install | start DIR PORT | stop DIR, as in lib.sh; DIR/env has SEARCH_URL. For SEARCH_VERSION see
# search.sh.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/search.sh"
search_cache

VERSION=${SEARCH_VERSION:-2.19.5}
case $VERSION in
1.3.20) JAVA=17 SHA256=031e0cdcd14c7a5b9907dff8050fff76c7c2892c7313ea83c4a0bfbaae9265e3 ;;
2.19.5) JAVA=17 SHA256=caccd4ab24c88a9278922ef626cd1d92990427aa3a3063f9278200d86dbf49b3 ;;
3.0.0) JAVA=21 SHA256=6c118171bb941ecc195851fcc7f28c310913a2249d197ee77091a10b6ac6b885 ;;
*) skip "no OpenSearch $VERSION is known here" ;;
esac
HOME_DIR=$CACHE/opensearch-$VERSION/opensearch-$VERSION

get_opensearch() {
    get_search org.opensearch.distribution.integ-test-zip opensearch $VERSION $SHA256 "$1"
}

install() {
    need_java $JAVA
    install_once "opensearch-$VERSION" get_opensearch
}

start() {
    dir=$1 port=$2
    mkdir -p "$dir/config"
    cp "$HOME_DIR/config/log4j2.properties" "$dir/config/"
    search_config "$dir/config/opensearch.yml" "$dir" "$port"
    # What guards the server against itself: Java's security manager, which is no more from 3 on.
    guard=-Djava.security.manager=allow
    [ ! -e "$HOME_DIR/agent/opensearch-agent.jar" ] || guard=-javaagent:$HOME_DIR/agent/opensearch-agent.jar
    cd "$HOME_DIR"
    (as_nobody "$JAVA_DIR/bin/java" "$guard" -Xms512m -Xmx512m -XX:+UseSerialGC -XX:TieredStopAtLevel=1 \
        -Djava.io.tmpdir="$dir/tmp" -Djna.tmpdir="$dir/tmp" -Dlog4j2.disable.jmx=true -Djna.nosys=true \
        -Dio.netty.noUnsafe=true -Djava.locale.providers=SPI,COMPAT -Dopensearch.path.home="$HOME_DIR" \
        -Dopensearch.path.conf="$dir/config" -Dopensearch.distribution.type=zip -Dopensearch.bundled_jdk=false \
        -cp "$HOME_DIR/lib/*" org.opensearch.bootstrap.OpenSearch) >"$dir/server.log" 2>&1 </dev/null &
    pid=$!
    echo "SEARCH_URL=http://127.0.0.1:$port" >"$dir/env"
    started "$dir" $pid "http://127.0.0.1:$port/_cluster/health?wait_for_nodes=1&timeout=2s" 120
}

command_line install start "$@"
