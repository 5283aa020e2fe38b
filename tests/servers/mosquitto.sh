#!/bin/sh
# Mosquitto out of Debian's packages, unpacked and not installed: no service starts, and nobody need be root. What is on disk is written when it is
# ended with TERM, not before; so `stop` ends it that way, too. With MOSQUITTO_KILL=1 it is written every second and whenever something has changed,
# as far as Mosquitto does that, and `stop` is a power cut.
. "$(dirname "$0")/search.sh"
. "$(dirname "$0")/lib.sh"
search_cache

FOLDER=mosquitto-debian12

get_mosquitto() (
    cd "$1"
    apt-get -o APT::Sandbox::User="$(id -un)" download mosquitto libcjson1 libdlt2 libmosquitto1 libwrap0 libnsl2
    for package in ./*.deb; do
        dpkg-deb -x "$package" .
    done
    rm ./*.deb
    chmod -R a+rX .
    LD_LIBRARY_PATH=$(echo "$1"/usr/lib/*-linux-gnu*) usr/sbin/mosquitto -h | grep -q version
)

install() {
    need apt-get dpkg-deb flock setpriv python3
    install_once $FOLDER get_mosquitto
}

start() {
    dir=$1 port=$2 root=$CACHE/$FOLDER
    cat >"$dir/mosquitto.conf" <<END
listener $port 127.0.0.1
allow_anonymous true
persistence true
persistence_location $dir/
$([ -n "${MOSQUITTO_KILL:-}" ] && echo 'autosave_interval 1
autosave_on_changes true' || echo 'autosave_interval 0')
max_queued_messages 0
max_inflight_messages 20
user $(id -un 65534 2>/dev/null || id -un)
log_dest stdout
END
    [ "$(id -u)" != 0 ] || { chown -R 65534:65534 "$dir"; chmod 755 "$dir"; }
    LD_LIBRARY_PATH=$(echo "$root"/usr/lib/*-linux-gnu*) as_nobody "$root/usr/sbin/mosquitto" -c "$dir/mosquitto.conf" \
        >>"$dir/server.log" 2>&1 </dev/null &
    pid=$!
    echo $pid >"$dir/pid"
    tries=100
    until python3 -c 'import socket, sys; socket.create_connection(("127.0.0.1", int(sys.argv[1])), 1)' "$port" 2>/dev/null; do
        tries=$((tries - 1))
        if [ "$tries" = 0 ] || ! kill -0 "$pid" 2>/dev/null; then
            tail -20 "$dir/server.log" >&2
            stop_server "$dir"
            exit 1
        fi
        sleep 0.1
    done
    printf 'MQTT_PORT=%s\n' "$port" >"$dir/env"
}

stop() {
    [ ! -e "$1/pid" ] || kill "$(cat "$1/pid")" 2>/dev/null || true
    tries=100
    while [ -e "$1/pid" ] && kill -0 "$(cat "$1/pid")" 2>/dev/null && [ "$tries" -gt 0 ]; do
        tries=$((tries - 1))
        sleep 0.1
    done
    stop_server "$1"
}

case "${1:-} $#" in
"stop 2") if [ -n "${MOSQUITTO_KILL:-}" ]; then stop_server "$2"; else stop "$2"; fi ;;
*) command_line install start "$@" ;;
esac
