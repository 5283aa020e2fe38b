/* A line is built in one bounded buffer and handed on whole: lines of several threads never mix. Values are quoted when logfmt needs it; control characters and
 * what is not UTF-8 become \xNN, so a hostile file name cannot forge a second line or colour a terminal. */
#include "pipeline/base/log.h"

#include "pipeline/base/limits.h"
#include "pipeline/base/log_writer.h"
#include "pipeline/base/utf8.h"

#include <inttypes.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static const char *const level_names[] = {"error", "warn", "info", "debug"};
static _Atomic int level_max = LOG_INFO;
static struct log_writer *_Atomic writer; /* NULL: lines are written at once */

struct line {
    char p[LOG_LINE_MAX];
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

static void build(struct line *l, enum log_level level, const char *msg, const struct log_kv *kvs)
{
    char ts[32];

    l->n = 0;
    putf(l, "ts=%s level=%s msg=", clock_rfc3339(clock_wall(), ts, sizeof(ts)), level_names[level]);
    put_value(l, slice_str(msg));
    for (; kvs->kind != LOG_KV_END; kvs++)
        put_kv(l, kvs);
    l->p[l->n++] = '\n';
}

static void hand_on(const char *p, size_t n)
{
    struct log_writer *w = atomic_load(&writer);
    ssize_t done;

    if (w) {
        log_writer_put(w, slice_of(p, n));
        return;
    }
    done = write(STDERR_FILENO, p, n);
    (void)done; /* nowhere left to report to */
}

void log_emit(enum log_level level, const char *msg, const struct log_kv *kvs)
{
    struct line l;

    if ((int)level > atomic_load(&level_max))
        return;
    build(&l, level, msg, kvs);
    hand_on(l.p, l.n);
}

void log_plain(const char *text)
{
    size_t n = strlen(text);

    hand_on(text, n < LOG_LINE_MAX ? n : LOG_LINE_MAX);
}

/* --- the writer ---------------------------------------------------------------------------------------------------- */

static size_t say_dropped(uint64_t lines, char out[LOG_LINE_MAX])
{
    struct line l;
    char msg[64];

    snprintf(msg, sizeof(msg), "%" PRIu64 " log line%s dropped", lines, lines == 1 ? " was" : "s were");
    build(&l, LOG_WARN, msg,
          (const struct log_kv[]){KU("lines", lines),
                                  KS("cause", "standard error did not take them"),
                                  KS("hint", "look at what reads the log, and at its disk"),
                                  {.kind = LOG_KV_END}});
    memcpy(out, l.p, l.n);
    return l.n;
}

/* What was there before (a sanitizer's, or the system's own way to end a process) comes behind: the handler puts it back and the
 * fault happens again. */
static const int crash_signals[] = {SIGABRT, SIGSEGV, SIGBUS, SIGFPE, SIGILL};
static struct sigaction before_crash[ARRAY_LEN(crash_signals)];

static void on_crash(int sig)
{
    struct log_writer *w = atomic_load(&writer);

    for (size_t i = 0; i < ARRAY_LEN(crash_signals); i++)
        if (crash_signals[i] == sig)
            sigaction(sig, &before_crash[i], NULL);
    if (w)
        log_writer_rescue(w);
    if (sig == SIGABRT)
        raise(sig); /* it may have come from outside */
}

static void catch_crashes(bool on)
{
    struct sigaction own = {.sa_handler = on_crash, .sa_flags = SA_ONSTACK};

    sigemptyset(&own.sa_mask);
    for (size_t i = 0; i < ARRAY_LEN(crash_signals); i++)
        sigaction(crash_signals[i], on ? &own : &before_crash[i], on ? &before_crash[i] : NULL);
}

int log_start(struct err *e)
{
    struct log_writer *w;

    if (log_writer_start(&w, STDERR_FILENO, say_dropped, e) < 0)
        return -1;
    atomic_store(&writer, w);
    catch_crashes(true);
    return 0;
}

void log_stop(nsec timeout)
{
    struct log_writer *w = atomic_load(&writer);

    if (!w || !log_writer_stop(&w, timeout))
        return;
    catch_crashes(false);
    atomic_store(&writer, NULL);
}

void log_flush(nsec timeout)
{
    struct log_writer *w = atomic_load(&writer);

    if (w)
        (void)log_writer_flush(w, timeout);
}

uint64_t log_dropped(void)
{
    struct log_writer *w = atomic_load(&writer);

    return w ? log_writer_dropped(w) : 0;
}

bool log_due(struct log_limit *l, nsec now, nsec period)
{
    if (now < l->next) {
        l->left_out++;
        return false;
    }
    l->next = now + period;
    l->suppressed = l->left_out;
    l->left_out = 0;
    return true;
}
