#!/bin/sh
# Prometheus and promtool: those of the Debian package, which is unpacked beside the others and not installed. PROMETHEUS_CONFIG names its
# configuration.
. "$(dirname "$0")/lib.sh"

FOLDER=prometheus-debian

get_prometheus() {
    cd "$1"
    apt-get download prometheus
    dpkg-deb -x prometheus_*.deb .
    rm prometheus_*.deb
    usr/bin/promtool --version # a library may be missing
}

install() {
    need apt-get dpkg-deb curl flock
    install_once $FOLDER get_prometheus
}

start() {
    dir=$1
    "$CACHE/$FOLDER/usr/bin/prometheus" --config.file="$PROMETHEUS_CONFIG" --web.listen-address="127.0.0.1:$2" \
        --storage.tsdb.path="$dir/data" >>"$dir/server.log" 2>&1 </dev/null 9>&- &
    started "$dir" $! "http://127.0.0.1:$2/-/ready" 30
    printf 'PROMETHEUS=http://127.0.0.1:%s\nPROMTOOL=%s\n' "$2" "$CACHE/$FOLDER/usr/bin/promtool" >"$dir/env"
}

command_line install start "$@"
