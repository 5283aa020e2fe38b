#!/bin/sh
# RabbitMQ 3.10 out of Debian's packages, unpacked and not installed: no service starts, and nobody need be root. The other
# ports of its family: +1 streams, +2 MQTT, or TLS; +3 and +4 are Erlang's own.
#
#   RABBITMQ_PLUGINS   names with blanks between them: rabbitmq_mqtt rabbitmq_stomp ...
#   RABBITMQ_TLS       a folder with ca.pem, server.crt and server.key: TLS, and a login by the common name of a certificate
. "$(dirname "$0")/search.sh"
. "$(dirname "$0")/lib.sh"
search_cache

FOLDER=rabbitmq-debian12

get_rabbitmq() (
    cd "$1"
    wanted=$(apt-get install --no-install-recommends --print-uris --reinstall -y rabbitmq-server |
        sed -n "s/^'[^']*' \([^_]*\)_.*/\1/p" | grep -E '^(erlang|rabbitmq)')
    # Of Erlang what the server needs is known; packages that are installed already are not in apt's list.
    for part in base asn1 crypto eldap ftp inets mnesia os-mon parsetools public-key runtime-tools snmp ssl syntax-tools \
        tftp tools xmerl; do
        wanted="$wanted erlang-$part"
    done
    # shellcheck disable=SC2046,SC2086
    apt-get -o APT::Sandbox::User="$(id -un)" download $(printf '%s\n' $wanted rabbitmq-server | sort -u)
    for package in ./*.deb; do
        dpkg-deb -x "$package" .
    done
    rm ./*.deb
    sed -i "s,ROOTDIR=/usr/lib/erlang,ROOTDIR=$1/usr/lib/erlang," usr/lib/erlang/bin/erl
    chmod -R a+rX .
    usr/lib/erlang/bin/erl -noshell -eval 'halt().'
)

install() {
    need apt-get dpkg-deb flock setpriv python3
    install_once $FOLDER get_rabbitmq
}

conf() { # DIR PORT
    cat <<END
listeners.tcp.1 = 127.0.0.1:$2
log.console = true
log.console.level = warning
log.file = false
vm_memory_high_watermark.absolute = 512MB
disk_free_limit.absolute = 50MB
END
    if [ -n "${RABBITMQ_TLS:-}" ]; then
        cat <<END
listeners.ssl.1 = 127.0.0.1:$(($2 + 2))
ssl_options.cacertfile = $RABBITMQ_TLS/ca.pem
ssl_options.certfile = $RABBITMQ_TLS/server.crt
ssl_options.keyfile = $RABBITMQ_TLS/server.key
ssl_options.verify = verify_peer
ssl_options.fail_if_no_peer_cert = false
ssl_cert_login_from = common_name
auth_mechanisms.1 = PLAIN
auth_mechanisms.2 = EXTERNAL
END
    fi
    for plugin in ${RABBITMQ_PLUGINS:-}; do
        case $plugin in
        rabbitmq_stream) echo "stream.listeners.tcp.1 = 127.0.0.1:$(($2 + 1))" ;;
        rabbitmq_mqtt) echo "mqtt.listeners.tcp.1 = 127.0.0.1:$(($2 + 2))" ;;
        esac
    done
}

# answers PORT: it greets who says the protocol's name.
answers() {
    python3 - "$1" <<'END'
import socket, sys
try:
    with socket.create_connection(("127.0.0.1", int(sys.argv[1])), 1) as s:
        s.settimeout(1)
        s.sendall(b"AMQP\0\0\x09\x01")
        sys.exit(s.recv(1) != b"\x01")
except OSError:
    sys.exit(1)
END
}

# launch DIR COMMAND...: replaces this shell. A dump of Erlang's is left where it runs.
launch() {
    cd "$1"
    exec >>"$1/server.log" 2>&1 </dev/null
    shift
    as_nobody "$@"
}

start() {
    dir=$1 port=$2 root=$CACHE/$FOLDER
    mkdir -p "$dir/mnesia" "$dir/log" "$dir/home"
    conf "$dir" "$port" >"$dir/rabbitmq.conf"
    echo "[$(echo "${RABBITMQ_PLUGINS:-}" | tr -s ' ' ,)]." >"$dir/plugins"
    [ "$(id -u)" != 0 ] || { chown -R 65534:65534 "$dir"; chmod 755 "$dir"; }
    export HOME="$dir/home" PATH="$root/usr/lib/erlang/bin:$PATH" ERL_EPMD_PORT=$((port + 4)) ERL_EPMD_ADDRESS=127.0.0.1
    export RABBITMQ_NODENAME="sluice$port@localhost" RABBITMQ_CONFIG_FILE="$dir/rabbitmq.conf" RABBITMQ_CONF_ENV_FILE=/dev/null
    export RABBITMQ_MNESIA_BASE="$dir/mnesia" RABBITMQ_LOG_BASE="$dir/log" RABBITMQ_ENABLED_PLUGINS_FILE="$dir/plugins"
    export RABBITMQ_PID_FILE="$dir/rmq.pid" RABBITMQ_DIST_PORT=$((port + 3))
    export RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS='-kernel inet_dist_use_interface {127,0,0,1} +S 1:1'
    if [ ! -e "$dir/epmd.pid" ] || ! kill -0 "$(cat "$dir/epmd.pid")" 2>/dev/null; then
        launch "$dir" "$root/usr/lib/erlang/bin/epmd" -port "$ERL_EPMD_PORT" -address 127.0.0.1 &
        echo $! >"$dir/epmd.pid"
    fi
    launch "$dir" "$root/usr/lib/rabbitmq/bin/rabbitmq-server" &
    pid=$!
    tries=600
    until answers "$port"; do
        tries=$((tries - 1))
        if [ "$tries" = 0 ] || ! kill -0 "$pid" 2>/dev/null; then
            tail -20 "$dir/server.log" >&2
            kill -9 "$pid" 2>/dev/null || true
            stop "$dir"
            exit 1
        fi
        sleep 0.1
    done
    cp "$dir/rmq.pid" "$dir/pid"
    printf 'AMQP_URL=amqp://guest:guest@127.0.0.1:%s/\nMQTT_PORT=%s\n' "$port" $((port + 2)) >"$dir/env"
}

stop() {
    stop_server "$1"
    [ ! -e "$1/epmd.pid" ] || kill -9 "$(cat "$1/epmd.pid")" 2>/dev/null || true
    rm -f "$1/epmd.pid"
}

case "${1:-} $#" in
"stop 2") stop "$2" ;;
*) command_line install start "$@" ;;
esac
