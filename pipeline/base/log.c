/* A line is built in one bounded buffer and written with one write(2): lines of several threads never mix, and a full
 * pipe behind stderr holds up only the thread that logs. Values are quoted when logfmt needs it; control characters and
 * what is not UTF-8 become \xNN, so a hostile file name cannot forge a second line or colour a terminal. */
#include "pipeline/base/log.h"

#include "pipeline/base/utf8.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define LINE_MAX_BYTES 4096

static const char *const level_names[] = {"error", "warn", "info", "debug"};
static _Atomic int level_max = LOG_INFO;

struct line {
    char p[LINE_MAX_BYTES];
    size_t n;
};

static void put(struct line *l, const char *p, size_t n)
{
    size_t room = sizeof(l->p) - 1 - l->n; /* one byte is kept for the newline */

    if (n > room)
        n = room;
    memcpy(l->p + l->n, p, n);
    l->n += n;
}

static void putf(struct line *l, const char *fmt, ...) PRINTF_LIKE(2, 3);
static void putf(struct line *l, const char *fmt, ...)
{
    char tmp[64];
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(tmp, sizeof(tmp), fmt, ap);
    va_end(ap);
    put(l, tmp, strlen(tmp));
}

/* How many bytes at s.p are one character that a terminal may see; 0 for controls (C1's too) and what is not UTF-8. */
static size_t printable(struct slice s)
{
    unsigned char c = (unsigned char)s.p[0];

    if (c < ' ' || c == 0x7f || (c == 0xc2 && s.n > 1 && (unsigned char)s.p[1] < 0xa0))
        return 0;
    return utf8_first(s);
}

static bool is_bare(struct slice s)
{
    size_t n;

    if (s.n == 0)
        return false;
    for (; s.n > 0; s = slice_of(s.p + n, s.n - n)) {
        n = printable(s);
        if (n == 0 || strchr(" \"=\\", s.p[0]))
            return false;
    }
    return true;
}

static void put_quoted(struct line *l, struct slice s)
{
    put(l, "\"", 1);
    while (s.n > 0) {
        size_t n = printable(s);

        if (s.p[0] == '"' || s.p[0] == '\\')
            put(l, "\\", 1);
        if (s.p[0] == '\n')
            put(l, "\\n", 2);
        else if (n == 0)
            putf(l, "\\x%02x", (unsigned char)s.p[0]);
        else
            put(l, s.p, n);
        n = n ? n : 1;
        s = slice_of(s.p + n, s.n - n);
    }
    put(l, "\"", 1);
}

static void put_value(struct line *l, struct slice s)
{
    if (is_bare(s))
        put(l, s.p, s.n);
    else
        put_quoted(l, s);
}

static void put_kv(struct line *l, const struct log_kv *kv)
{
    char text[700];

    putf(l, " %s=", kv->key);
    switch (kv->kind) {
    case LOG_KV_STR:
    case LOG_KV_SLICE:
        put_value(l, kv->s);
        break;
    case LOG_KV_INT:
        putf(l, "%" PRId64, kv->i);
        break;
    case LOG_KV_UINT:
        putf(l, "%" PRIu64, kv->u);
        break;
    case LOG_KV_ERR:
        put_value(l, slice_str(err_text(kv->e, text, sizeof(text))));
        break;
    case LOG_KV_END:
        break;
    }
}

void log_set_level(enum log_level max)
{
    atomic_store(&level_max, (int)max);
}

bool log_level_parse(const char *name, enum log_level *out)
{
    for (size_t i = 0; i < ARRAY_LEN(level_names); i++) {
        if (strcmp(name, level_names[i]) == 0) {
            *out = (enum log_level)i;
            return true;
        }
    }
    return false;
}

void log_emit(enum log_level level, const char *msg, const struct log_kv *kvs)
{
    struct line l = {.n = 0};
    char ts[32];
    ssize_t done;

    if ((int)level > atomic_load(&level_max))
        return;
    putf(&l, "ts=%s level=%s msg=", clock_rfc3339(clock_wall(), ts, sizeof(ts)), level_names[level]);
    put_value(&l, slice_str(msg));
    for (; kvs->kind != LOG_KV_END; kvs++)
        put_kv(&l, kvs);
    l.p[l.n++] = '\n';
    done = write(STDERR_FILENO, l.p, l.n);
    (void)done; /* nowhere left to report to */
}

bool log_due(struct log_limit *l, nsec now, nsec period)
{
    if (now < l->next) {
        l->suppressed++;
        return false;
    }
    l->next = now + period;
    return true;
}
