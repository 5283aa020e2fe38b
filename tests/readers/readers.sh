#!/bin/bash
# readers.sh WRITE_OBJECTS: every object, read by zcat, zstd, lz4, unzip, Python and Go, must give what went into it. A reader that is
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
echo "# $(find "$dir" -name '*.*' -type f | wc -l) objects"
reader zcat each .gz zcat
reader "gzip -t" gzip -t "$dir"/*.gz
if command -v zstd >/dev/null; then
    reader "zstd -d" each .zst zstd -dcq
else
    missing "zstd -d" "zstd is not installed"
fi
if command -v lz4 >/dev/null; then
    reader "lz4 -d" each .lz4 lz4 -dcq
else
    missing "lz4 -d" "lz4 is not installed"
fi
if command -v unzip >/dev/null; then
    reader "unzip -p" each .zip unzip -p
else
    missing "unzip -p" "unzip is not installed"
fi

get_zstandard() { python3 -m venv "$1/venv" && "$1/venv/bin/pip" install -q zstandard==0.23.0 python-snappy==0.7.3; }
if (install_once python-readers-2 get_zstandard) 2>/dev/null; then
    reader Python "$CACHE/python-readers-2/venv/bin/python" "$here/read.py" "$dir"
else
    missing Python "zstandard and python-snappy cannot be installed"
fi

get_go_reader() { (cd "$here/go" && CGO_ENABLED=0 go build -trimpath -o "$1/read" .); }
if command -v go >/dev/null && (install_once go-reader-1 get_go_reader) 2>/dev/null; then
    reader Go "$CACHE/go-reader-1/read" "$dir"
else
    missing Go "the reader cannot be built"
fi
exit $rc
