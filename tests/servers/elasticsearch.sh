#!/bin/sh
# Elasticsearch with few of its modules, one node. Uses PORT and PORT + 100. elasticsearch.sh install | start DIR PORT |
# stop DIR, as in lib.sh; DIR/env has SEARCH_URL. For SEARCH_VERSION and SEARCH_CONFIG see search.sh.
#
# SEARCH_SECURED=1: nobody may do anything without logging in, as `admin`, who may do everything, or as `writer`, who may
# write to app-*; both with SEARCH_PASSWORD, which DIR/env then has.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/search.sh"
search_cache

VERSION=${SEARCH_VERSION:-8.19.9}
case $VERSION in
7.17.29) JAVA=17 SHA256=841ee00be1a72ba8e707b5a2fb55f23fe7a4184369b4585393238b1c903eedaf ;;
8.19.9) JAVA=17 SHA256=6a0603db2b0406776dcf15df248294941f310e9183ca18a219bc8c6d57546ff0 ;;
9.0.0) JAVA=21 SHA256=66a7b3227b35b6c92aa9adf2463f03a61abed2e338ba9585402636a89df3cb88 ;;
*) skip "no Elasticsearch $VERSION is known here" ;;
esac
# What `elasticsearch-users useradd` makes of the password. To run it takes as long as to start the server.
PASSWORD=test/Password+1
PASSWORD_HASH='$2a$10$BmpeVbp9WBiwclTMCE5SKezKvBP4hUkK7fBM1euwrtlG9Gvrh38dK'
HOME_DIR=$CACHE/elasticsearch-$VERSION/elasticsearch-$VERSION

get_elasticsearch() {
    get_search org.elasticsearch.distribution.integ-test-zip elasticsearch $VERSION $SHA256 "$1"
}

install() {
    need_java $JAVA
    install_once "elasticsearch-$VERSION" get_elasticsearch
}

secure() { # CONFIG_DIR
    printf '%s\n' "admin:$PASSWORD_HASH" "writer:$PASSWORD_HASH" >"$1/users"
    printf '%s\n' superuser:admin writer:writer >"$1/users_roles"
    cat >"$1/roles.yml" <<END
writer:
  indices:
    - names: ["app-*"]
      privileges: ["create_doc", "index", "auto_configure"]
END
}

start() {
    dir=$1 port=$2
    mkdir -p "$dir/config"
    rm -f "$dir/tmp/pid" # of a server that was killed
    cp "$HOME_DIR/config/log4j2.properties" "$dir/config/"
    # It refuses to start when its folder for temporary files, by default /tmp, holds its configuration.
    printf '%s\n' -Xms512m -Xmx512m -XX:+UseSerialGC -XX:TieredStopAtLevel=1 -XX:-AlwaysPreTouch \
        "-Djava.io.tmpdir=$dir/tmp" >"$dir/config/jvm.options"
    echo "SEARCH_URL=http://127.0.0.1:$port" >"$dir/env"
    login='' secured=false
    if [ -n "${SEARCH_SECURED:-}" ]; then
        secure "$dir/config"
        echo "SEARCH_PASSWORD=$PASSWORD" >>"$dir/env"
        login="admin:$(printf %s "$PASSWORD" | sed 's,/,%2F,g; s,+,%2B,g')@" secured=true
    fi
    search_config "$dir/config/elasticsearch.yml" "$dir" "$port"
    echo "xpack.security.enabled: $secured" >>"$dir/config/elasticsearch.yml"
    cd "$HOME_DIR"
    # Its launcher stays the server's parent and passes no kill -9 on: the server's own id is what must be kept.
    (as_nobody env ES_PATH_CONF="$dir/config" ES_JAVA_HOME="$JAVA_DIR" ES_TMPDIR="$dir/tmp" \
        "$HOME_DIR/bin/elasticsearch" -p "$dir/tmp/pid") >"$dir/server.log" 2>&1 </dev/null &
    launcher=$!
    tries=600
    while [ ! -s "$dir/tmp/pid" ] && [ $tries -gt 0 ] && kill -0 $launcher 2>/dev/null; do
        tries=$((tries - 1))
        sleep 0.1
    done
    [ -s "$dir/tmp/pid" ] || { tail -20 "$dir/server.log" >&2; kill -9 $launcher 2>/dev/null || true; exit 1; }
    started "$dir" "$(cat "$dir/tmp/pid")" \
        "http://${login}127.0.0.1:$port/_cluster/health?wait_for_nodes=1&timeout=2s" 120
}

command_line install start "$@"
