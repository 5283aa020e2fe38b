#include "pipeline/base/err.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static void fill(struct err *e, enum err_code code, const char *fmt, va_list ap)
{
    e->code = code;
    e->line = e->column = 0;
    e->file[0] = '\0';
    vsnprintf(e->msg, sizeof(e->msg), fmt, ap);
}

int err_set(struct err *e, enum err_code code, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    fill(e, code, fmt, ap);
    va_end(ap);
    return -1;
}

int err_at(struct err *e, enum err_code code, struct srcpos at, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    fill(e, code, fmt, ap);
    va_end(ap);
    if (at.file) {
        size_t n = strlen(at.file), keep = sizeof(e->file) - 1;

        snprintf(e->file, sizeof(e->file), "%s", n > keep ? at.file + (n - keep) : at.file);
    }
    e->line = at.line;
    e->column = at.column;
    return -1;
}

int err_errno(struct err *e, const char *fmt, ...)
{
    int saved = errno;
    char reason[128];
    size_t n;
    va_list ap;

    va_start(ap, fmt);
    fill(e, ERR_IO, fmt, ap);
    va_end(ap);
    n = strlen(e->msg);
    snprintf(e->msg + n, sizeof(e->msg) - n, ": %s", strerror_r(saved, reason, sizeof(reason)));
    errno = saved;
    return -1;
}

int err_wrap(struct err *e, const char *fmt, ...)
{
    char context[sizeof(e->msg)], cause[sizeof(e->msg)];
    size_t n;
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(context, sizeof(context), fmt, ap);
    va_end(ap);
    memcpy(cause, e->msg, sizeof(cause));
    snprintf(e->msg, sizeof(e->msg), "%s", context);
    n = strlen(e->msg);
    snprintf(e->msg + n, sizeof(e->msg) - n, ": %s", cause);
    return -1;
}

const char *err_text(const struct err *e, char *out, size_t size)
{
    if (!e->file[0])
        snprintf(out, size, "%s", e->msg);
    else if (!e->line)
        snprintf(out, size, "%s: %s", e->file, e->msg);
    else if (!e->column)
        snprintf(out, size, "%s:%u: %s", e->file, e->line, e->msg);
    else
        snprintf(out, size, "%s:%u:%u: %s", e->file, e->line, e->column, e->msg);
    return out;
}
