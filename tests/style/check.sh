#!/usr/bin/env bash
# What a machine can hold of the style: format, layers, banned calls, sizes, headers that stand alone. Each check is one
# case and each finding begins with file:line; ends with "style: N findings" and "N passed, N failed, N skipped".
set -uo pipefail
cd "$(dirname "$0")/../.."

CODE="config sinks transforms pipeline"
FILE_LINES_MAX=600
FINDINGS_SHOWN=20
passed=0 failed=0 skipped=0 findings=0

all() { find $CODE -name '*.[ch]' | sort; }

# Every line of code as file:line:text, without comments and what is in quotes, so that those may name what code may not.
stripped=$(mktemp)
trap 'rm -f "$stripped"' EXIT
all | python3 -c '
import re, sys
TOKEN = re.compile(r"""/\*.*?\*/|//[^\n]*|"(?:\\.|[^"\\\n])*"|\x27(?:\\.|[^\x27\\\n])*\x27""", re.S)
for path in sys.stdin.read().split():
    code = TOKEN.sub(lambda m: "\n" * m[0].count("\n") if m[0][0] == "/" else m[0][0] * 2, open(path).read())
    for number, line in enumerate(code.split("\n"), 1):
        if line.strip():
            print("%s:%d:%s" % (path, number, line))
' >"$stripped"

# case NAME FUNCTION...: passes when the function prints nothing.
case_of() {
    local name=$1 found
    shift
    found=$("$@" 2>&1)
    if [ -z "$found" ]; then
        passed=$((passed + 1))
        printf 'ok - %s\n' "$name"
    else
        failed=$((failed + 1))
        findings=$((findings + $(printf '%s\n' "$found" | wc -l)))
        printf 'not ok - %s\n%s\n' "$name" "$(printf '%s\n' "$found" | shorten | sed 's/^/#   /')"
    fi
}

shorten() { awk -v max=$FINDINGS_SHOWN 'NR <= max; END { if (NR > max) print "and " NR - max " more" }'; }

# Two at a time: each file is its own process, and there may be hundreds.
formatted() {
    find $CODE tests -name '*.[ch]' -print0 | xargs -0 -P 2 -n 20 clang-format-14 --dry-run --Werror 2>&1 |
        grep -E 'error:' | sort -u
}

# What a folder may include from is what its library is linked with, in CMakeLists.txt.
arrows() { python3 tests/style/layers.py; }

# What comments and documents name: a newcomer looks there.
references() { python3 tests/style/references.py; }

# What dashboard and alerts ask for is a metric that there is, with such labels.
queries() { python3 tests/style/queries.py; }

# system_header REGEX ALLOWED_PATH_REGEX: a library is known in its own places only.
system_header() {
    all | xargs grep -HnE "^#include <($1)" | grep -vE "$2"
}

# calls REGEX [EXEMPT_PATH_REGEX]
calls() {
    grep -vE "${2:-^$}" "$stripped" | grep -E "(^|[^A-Za-z0-9_.>])($1)[[:space:]]*\("
}

# Sizes that bound something stand in limits.h, also those of arrays. What an operator can set is in the option tables.
bounds_elsewhere() {
    grep -v '^pipeline/base/limits[.]h:' "$stripped" |
        grep -E ':[[:space:]]*((#define|enum) .*([KMG]IB|1024 [*]|[*] 1024|<< [12]0)|.*[[][0-9]+ [*] ([KMG]IB|1024)\])'
}

# limits.h is a list.
long_files() {
    all | grep -vx pipeline/base/limits.h | xargs wc -l | awk -v max=$FILE_LINES_MAX '$2 != "total" && $1 > max { print $2 ":" max + 1 ": " $1 " lines" }'
}

headers_alone() {
    find $CODE -name '*.h' -print0 | sort -z | xargs -0 -P 2 -n 1 \
        gcc -std=c17 -D_GNU_SOURCE -I. $(pkg-config --cflags lua5.4) -Wall -Wextra -Wno-unused -fsyntax-only -x c 2>&1 |
        grep -E 'error|warning' | grep -v 'pragma once'
}

# The guard is the path, which no two headers share.
header_guards() {
    local file guard
    find $CODE -name '*.h' | sort | while read -r file; do
        guard=$(printf '%s' "$file" | tr 'a-z/.' 'A-Z__')
        grep -m 1 -A 1 '^#' "$file" | tr '\n' ' ' | grep -qx "#ifndef $guard #define $guard " ||
            printf '%s:1: has no guard %s\n' "$file" "$guard"
    done
}

header_banners() {
    local file
    find $CODE -name '*.h' | sort | while read -r file; do
        head -n 1 "$file" | grep -qF "/* ${file##*/} -- " || printf '%s:1: does not begin with /* %s -- ...\n' "$file" "${file##*/}"
    done
}

unfinished() { grep -rnE 'TODO|FIXME' $CODE tests --include='*.[ch]' --include='*.py' | grep -vE '#[0-9]+'; }

# What a trial has left behind is no part of the project.
strays() {
    git ls-files 2>/dev/null | sed 's/$/:1: has no place here/' |
        grep -vE '^((\.ci|config|docs|pipeline|sinks|tests|transforms)/|(\.clang-format|\.gitignore|CHANGELOG\.md|CMakeLists\.txt|CMakePresets\.json|LICENSE|README\.md|run):)'
}

scripts_parse() {
    local file
    for file in run .ci/run $(find tests -name '*.sh'); do
        bash -n "$file"
    done
    find tests -name '*.py' -print0 | xargs -0 -r python3 -c '
import ast, sys
for path in sys.argv[1:]:
    ast.parse(open(path).read(), path)'
}

if command -v clang-format-14 >/dev/null; then
    case_of "clang-format 14 has nothing to change" formatted
else
    skipped=$((skipped + 1))
    printf 'skip - clang-format-14 is not installed, so nothing says whether the format is right\n'
fi
case_of "every include is from a library that CMakeLists.txt allows, and there is no circle" arrows
case_of "libyaml is known in config only" system_header 'yaml\.h' '^config/'
case_of "libcurl is known in the transport, in put, and where trust is made only" \
    system_header 'curl/' '^pipeline/(http/(transport|trust)|put)/'
case_of "Lua is known in transforms/lua only" system_header 'lua|lauxlib' '^transforms/lua/'
case_of "compressors are known in codecs only, and zlib where requests are unpacked" system_header 'libdeflate|zstd|isa-l|zlib|lz4frame|snappy-c' \
    '^transforms/codecs/|^pipeline/base/digest\.c:|^pipeline/inputs/api/'
case_of "expat is known in the listings of S3 and the answers of STS only" system_header 'expat\.h' \
    '^(sinks/s3/list|pipeline/aws/credentials/answer_sts)\.c:'
case_of "libuv is known in inputs only" system_header 'uv\.h' '^pipeline/inputs/'
case_of "libmicrohttpd is known where requests are answered only" system_header 'microhttpd\.h' '^pipeline/(inputs/api|inputs/sns|inputs/(push|http|splunk_hec|elasticsearch_bulk|loki)|admin|http/server)/'
case_of "libnghttp2 is known in the input otlp_grpc only" system_header 'nghttp2/' '^pipeline/inputs/otlp_grpc/grpc\.c:'
case_of "libsystemd is known in the input journald only" system_header 'systemd/' '^pipeline/inputs/journald/journal\.c:'
case_of "OpenSSL is known in base and in the connections of inputs only" system_header 'openssl/' '^pipeline/(base|inputs/socket)/'
case_of "no call that cannot be bounded or is not reentrant" \
    calls 'strcpy|strcat|sprintf|vsprintf|gets|atoi|atol|atoll|strtok|localtime|gmtime|ctime|asctime|rand'
case_of "memory comes from mem.h" calls 'malloc|calloc|realloc|reallocarray|free|strdup|strndup|asprintf|vasprintf' '^pipeline/base/(mem|buf)\.c:'
case_of "only clock.c reads the clock, nobody sleeps" calls 'time|gettimeofday|clock_gettime|sleep|usleep|nanosleep' \
    '^pipeline/base/clock\.c:'
case_of "base, config, http, aws, transforms and sinks never log, but for those with threads of their own" \
    calls 'log_emit|log_error|log_warn|log_info|log_debug' '^pipeline/([^abh]|admin/|aws/credentials/credentials\.c|base/log\.|http/(server|transport)/)'
case_of "bounds of memory stand in limits.h" bounds_elsewhere
case_of "files stay below $FILE_LINES_MAX lines" long_files
case_of "every header compiles alone" headers_alone
case_of "every header has a guard named after its path" header_guards
case_of "every header begins with its name and purpose" header_banners
case_of "files and functions that comments and documents name are there" references
case_of "metrics, labels and pages that the dashboard and the alerts name are there" queries
case_of "nothing is left for later without an issue number" unfinished
case_of "scripts parse" scripts_parse
case_of "every file in the repository is in its place" strays

printf 'style: %d findings\n' "$findings"
printf '%d passed, %d failed, %d skipped\n' "$passed" "$failed" "$skipped"
[ "$failed" -eq 0 ]
