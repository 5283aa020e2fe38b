/* Mistakes are kept in the order in which they are found and sorted by position when they are printed. The room is
 * bounded; when it is full a warning makes room for a mistake, and further mistakes are only counted. */
#include "config/errors.h"

#include "config/text.h"
#include "pipeline/base/limits.h"
#include "pipeline/base/mem.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MESSAGE_MAX 1024

struct mistake {
    char *file;
    unsigned line, column;
    size_t order; /* of reporting: keeps two mistakes at one place in order */
    bool warning;
    char *message;
};

struct cfg_errors {
    struct mistake kept[CFG_ERRORS_MAX];
    size_t kept_count;
    size_t count[2]; /* mistakes, warnings */
    struct srcpos place;
    const struct cfg_hints *hints;
};

static void release(struct mistake *m)
{
    mem_free(m->file);
    mem_free(m->message);
}

struct cfg_errors *cfg_errors_new(void)
{
    return mem_alloc(sizeof(struct cfg_errors));
}

void cfg_errors_free(struct cfg_errors **errs)
{
    if (!*errs)
        return;
    for (size_t i = 0; i < (*errs)->kept_count; i++)
        release(&(*errs)->kept[i]);
    MEM_CLEAR(*errs);
}

/* Makes room for a mistake, which says more than a warning. False: there is none. */
static bool drop_warning(struct cfg_errors *errs)
{
    for (size_t i = errs->kept_count; i > 0; i--) {
        if (!errs->kept[i - 1].warning)
            continue;
        release(&errs->kept[i - 1]);
        errs->kept[i - 1] = errs->kept[--errs->kept_count];
        return true;
    }
    return false;
}

/* What is said for several (the destinations of a stream) is bound for each, and is wrong once. */
static bool is_known(const struct cfg_errors *errs, struct srcpos at, const char *message)
{
    for (size_t i = 0; at.file && i < errs->kept_count; i++) {
        const struct mistake *m = &errs->kept[i];

        if (m->line == at.line && m->column == at.column && m->file && strcmp(m->file, at.file) == 0 &&
            strcmp(m->message, message) == 0)
            return true;
    }
    return false;
}

static void add(struct cfg_errors *errs, bool warning, struct srcpos at, const char *fmt, va_list ap)
{
    char message[MESSAGE_MAX];

    vsnprintf(message, sizeof(message), fmt, ap);
    text_one_line(message);
    if (is_known(errs, at, message))
        return;
    errs->count[warning]++;
    if (errs->kept_count == CFG_ERRORS_MAX && (warning || !drop_warning(errs)))
        return;
    errs->kept[errs->kept_count] = (struct mistake){
        .file = at.file ? mem_strdup(at.file) : NULL,
        .line = at.line,
        .column = at.column,
        .order = errs->count[false] + errs->count[true],
        .warning = warning,
        .message = mem_strdup(message),
    };
    errs->kept_count++;
}

void cfg_error(struct cfg_errors *errs, struct srcpos at, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    add(errs, false, at, fmt, ap);
    va_end(ap);
}

void cfg_warning(struct cfg_errors *errs, struct srcpos at, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    add(errs, true, at, fmt, ap);
    va_end(ap);
}

size_t cfg_errors_count(const struct cfg_errors *errs)
{
    return errs->count[false];
}

size_t cfg_warnings_count(const struct cfg_errors *errs)
{
    return errs->count[true];
}

static bool is_in(const struct mistake *m, const char *file)
{
    return file && m->file ? strcmp(m->file, file) == 0 : file == m->file;
}

bool cfg_errors_at(const struct cfg_errors *errs, struct srcpos at)
{
    for (size_t i = 0; i < errs->kept_count; i++)
        if (!errs->kept[i].warning && errs->kept[i].line == at.line && errs->kept[i].column == at.column &&
            is_in(&errs->kept[i], at.file))
            return true;
    return false;
}

const char *cfg_errors_file(const struct cfg_errors *errs)
{
    return errs->kept_count ? errs->kept[0].file : NULL;
}

struct srcpos cfg_errors_place(struct cfg_errors *errs, struct srcpos place)
{
    struct srcpos before = errs->place;

    errs->place = place;
    return before;
}

struct srcpos cfg_errors_here(const struct cfg_errors *errs)
{
    return errs->place;
}

static bool no_key(const struct cfg_field *fields, const struct cfg_node *item, struct buf *out)
{
    (void)fields, (void)item, (void)out;
    return false;
}

static bool no_name(const char *what, const char *name, struct buf *out)
{
    (void)what, (void)name, (void)out;
    return false;
}

static bool no_node(const char *what, const struct cfg_node *node, struct buf *out)
{
    (void)what, (void)node, (void)out;
    return false;
}

void cfg_errors_set_hints(struct cfg_errors *errs, const struct cfg_hints *hints)
{
    errs->hints = hints;
}

const struct cfg_hints *cfg_errors_hints(const struct cfg_errors *errs)
{
    static const struct cfg_hints none = {.key = no_key, .name = no_name, .mapping = no_node, .list = no_node};

    return errs->hints ? errs->hints : &none;
}

/* File by file. */
static int by_position(const void *a, const void *b)
{
    const struct mistake *x = a, *y = b;
    int files = strcmp(x->file ? x->file : "", y->file ? y->file : "");

    if (files != 0)
        return files;
    if (x->line != y->line)
        return x->line < y->line ? -1 : 1;
    if (x->column != y->column)
        return x->column < y->column ? -1 : 1;
    return x->order < y->order ? -1 : 1;
}

/* A report that does not fit into `out` ends early; the bounds above keep it under CFG_ERRORS_MAX * 2 KiB. */
static void print_one(const struct mistake *m, struct buf *out)
{
    const char *word = m->warning ? "warning: " : "";
    int rc;

    if (!m->file)
        rc = buf_printf(out, "%s%s\n", word, m->message);
    else if (!m->line)
        rc = buf_printf(out, "%s: %s%s\n", m->file, word, m->message);
    else
        rc = buf_printf(out, "%s:%u:%u: %s%s\n", m->file, m->line, m->column, word, m->message);
    (void)rc;
}

void cfg_errors_print(const struct cfg_errors *errs, struct buf *out)
{
    struct mistake sorted[CFG_ERRORS_MAX];
    size_t all = errs->count[false] + errs->count[true];

    memcpy(sorted, errs->kept, errs->kept_count * sizeof(sorted[0]));
    qsort(sorted, errs->kept_count, sizeof(sorted[0]), by_position);
    for (size_t i = 0; i < errs->kept_count; i++)
        print_one(&sorted[i], out);
    if (all > errs->kept_count && buf_printf(out, "and %zu more\n", all - errs->kept_count) < 0)
        return;
}
