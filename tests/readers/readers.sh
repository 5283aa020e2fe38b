#!/bin/bash
# readers.sh WRITE_OBJECTS: every object, read by zcat, zstd, Python and Go, must give what went into it. A reader that is
# not installed is said, and makes the exit code 77 when no other failed.
. "$(dirname "$0")/../servers/lib.sh"
here=$(cd "$(dirname "$0")" && pwd)
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
rc=0

reader() { # NAME COMMAND...: the command checks all objects in $dir
    name=$1
    shift
    if "$@"; then echo "ok - $name"; else echo "not ok - $name"; rc=1; fi
}

missing() {
    echo "ok - $1 # SKIP $2"
    [ $rc -ne 0 ] || rc=77
}

each() { # EXTENSION COMMAND...: the command's output on each object is what is in it
    ext=$1
    shift
    for f in "$dir"/*"$ext"; do
        "$@" "$f" | cmp -s - "${f%"$ext"}" || { echo "#   $1: $(basename "$f")"; return 1; }
    done
}

"$1" "$dir"
echo "# $(find "$dir" -name '*.gz' -o -name '*.zst' | wc -l) objects"
reader zcat each .gz zcat
reader "gzip -t" gzip -t "$dir"/*.gz
if command -v zstd >/dev/null; then
    reader "zstd -d" each .zst zstd -dcq
else
    missing "zstd -d" "zstd is not installed"
fi

get_zstandard() { python3 -m venv "$1/venv" && "$1/venv/bin/pip" install -q zstandard==0.23.0; }
if (install_once python-zstandard-0.23.0 get_zstandard) 2>/dev/null; then
    reader Python "$CACHE/python-zstandard-0.23.0/venv/bin/python" "$here/read.py" "$dir"
else
    missing Python "zstandard cannot be installed"
fi

get_go_reader() { (cd "$here/go" && CGO_ENABLED=0 go build -trimpath -o "$1/read" .); }
if command -v go >/dev/null && (install_once go-reader-1 get_go_reader) 2>/dev/null; then
    reader Go "$CACHE/go-reader-1/read" "$dir"
else
    missing Go "the reader cannot be built"
fi
exit $rc
