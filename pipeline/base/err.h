/* err.h -- what went wrong, and where in the user's own files.
 *
 * An err is a plain value on the caller's stack. It never allocates, so reporting "out of memory" cannot itself fail. A
 * function that can fail returns 0 or -1, takes `struct err *e` last, and writes *e only on the way to -1. Code that
 * passes an error on adds context with err_wrap(); it does not replace the cause and does not log.
 *
 * The position is one the *user* can act on (sluice.yaml:14:9, mask.lua:3). Our own __FILE__ never reaches an operator.
 */
#ifndef PIPELINE_BASE_ERR_H
#define PIPELINE_BASE_ERR_H

#include "pipeline/base/compiler.h"

#include <stddef.h>

enum err_code {
    ERR_NONE,
    ERR_CONFIG,    /* invalid configuration; the position says where */
    ERR_LIMIT,     /* a configured or documented bound was hit */
    ERR_NOMEM,     /* a bounded data buffer could not grow */
    ERR_IO,        /* local: disk, socket */
    ERR_FORMAT,    /* bytes that are not what they should be: request, reply, file on disk */
    ERR_REMOTE,    /* the far end answered, and said no */
    ERR_SCRIPT,    /* the user's Lua raised; the position says where */
    ERR_NOSPACE,   /* a file cannot be made or grow; less would do without it, or fit */
    ERR_CANCELLED, /* the program is ending and did not wait; nothing is wrong (cancel.h) */
};

/* A place in a file the user wrote. `file` is borrowed from whoever parsed it. 0 = unknown. */
struct srcpos {
    const char *file;
    unsigned line, column; /* 1-based */
};

struct err {
    enum err_code code;
    unsigned line, column;
    char file[128]; /* copied, tail kept: an err may outlive the config tree */
    char msg[512];
};

/* All four return -1, so the usual form is `return err_set(e, ERR_LIMIT, "...")`. */
int err_set(struct err *e, enum err_code code, const char *fmt, ...) PRINTF_LIKE(3, 4);
int err_at(struct err *e, enum err_code code, struct srcpos at, const char *fmt, ...) PRINTF_LIKE(4, 5);

/* As err_set(ERR_IO), with ": <text of errno>" appended. */
int err_errno(struct err *e, const char *fmt, ...) PRINTF_LIKE(2, 3);

/* Puts "context: " in front of the message. Code and position stay. */
int err_wrap(struct err *e, const char *fmt, ...) PRINTF_LIKE(2, 3);

/* "file:line:column: msg", or just msg without a position; for showing to a person. */
const char *err_text(const struct err *e, char *out, size_t size);

#endif
