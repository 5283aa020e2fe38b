#!/bin/sh
# Elasticsearch without its commercial modules, one node, security off. Uses PORT and PORT + 100. elasticsearch.sh install
# | start DIR PORT | stop DIR, as in lib.sh; DIR/env has SEARCH_URL.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/search.sh"
search_cache

VERSION=8.19.9
SHA256=6a0603db2b0406776dcf15df248294941f310e9183ca18a219bc8c6d57546ff0
HOME_DIR=$CACHE/elasticsearch-$VERSION/elasticsearch-$VERSION

get_elasticsearch() {
    get_search org.elasticsearch.distribution.integ-test-zip elasticsearch $VERSION $SHA256 "$1"
}

install() {
    need_java 17
    install_once "elasticsearch-$VERSION" get_elasticsearch
}

start() {
    dir=$1 port=$2
    mkdir -p "$dir/config"
    rm -f "$dir/tmp/pid" # of a server that was killed
    cp "$HOME_DIR/config/log4j2.properties" "$dir/config/"
    # It refuses to start when its folder for temporary files, by default /tmp, holds its configuration.
    printf '%s\n' -Xms512m -Xmx512m -XX:+UseSerialGC -XX:TieredStopAtLevel=1 -XX:-AlwaysPreTouch \
        "-Djava.io.tmpdir=$dir/tmp" >"$dir/config/jvm.options"
    search_config "$dir/config/elasticsearch.yml" "$dir" "$port"
    echo "xpack.security.enabled: false" >>"$dir/config/elasticsearch.yml"
    java_home=$(dirname "$(dirname "$(readlink -f "$(command -v java)")")")
    cd "$HOME_DIR"
    # Its launcher stays the server's parent and passes no kill -9 on: the server's own id is what must be kept.
    (as_nobody env ES_PATH_CONF="$dir/config" ES_JAVA_HOME="$java_home" ES_TMPDIR="$dir/tmp" \
        "$HOME_DIR/bin/elasticsearch" -p "$dir/tmp/pid") >"$dir/server.log" 2>&1 </dev/null &
    launcher=$!
    echo "SEARCH_URL=http://127.0.0.1:$port" >"$dir/env"
    tries=600
    while [ ! -s "$dir/tmp/pid" ] && [ $tries -gt 0 ] && kill -0 $launcher 2>/dev/null; do
        tries=$((tries - 1))
        sleep 0.1
    done
    [ -s "$dir/tmp/pid" ] || { tail -20 "$dir/server.log" >&2; kill -9 $launcher 2>/dev/null || true; exit 1; }
    started "$dir" "$(cat "$dir/tmp/pid")" "http://127.0.0.1:$port/_cluster/health?wait_for_nodes=1&timeout=2s" 120
}

command_line install start "$@"
