# receiver.sh -- what telegraf.sh and otel.sh share: a receiver out of a Go module beside the script, whose versions are
# fixed by its go.mod and go.sum. It appends what it took to DIR/records.
HERE=$(cd "$(dirname "$0")" && pwd)

# receiver FOLDER: the names of its sources and its installed form.
receiver() {
    SOURCE=$HERE/$1
    NAME=receiver-$1-$(cat "$SOURCE/go.mod" "$SOURCE/go.sum" "$SOURCE/main.go" | cksum | cut -d' ' -f1)
}

build_receiver() {
    (cd "$SOURCE" && CGO_ENABLED=0 go build -mod=readonly -trimpath -ldflags='-s -w' -o "$1/receiver" .)
}

install() {
    need go curl flock
    install_once "$NAME" build_receiver
}

# run_receiver DIR PORT PATH ARGUMENT...: it answers 404 where it takes nothing.
run_receiver() {
    dir=$1 port=$2 path=$3
    shift 3
    echo >>"$dir/records" # a kill may have cut the last line
    "$CACHE/$NAME/receiver" "127.0.0.1:$port" "$@" "$dir/records" >>"$dir/server.log" 2>&1 </dev/null &
    started "$dir" $! "http://127.0.0.1:$port/" 30 404
    printf 'RECEIVER_URL=http://127.0.0.1:%s%s\nRECEIVER_FILE=%s/records\n' "$port" "$path" "$dir" >"$dir/env"
}
