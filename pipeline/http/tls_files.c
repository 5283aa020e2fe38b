/* All files are read before any is looked at, because a key and its certificate are replaced one after the other: the shorter the time between
 * the two readings, the rarer they do not fit. Where they do not, the next reading finds what is true then. */
#include "pipeline/http/tls_files.h"

#include "pipeline/base/limits.h"
#include "pipeline/base/mem.h"
#include "pipeline/http/trust/pem_file.h"

#include <string.h>

const char *tls_file_option(enum tls_file which)
{
    static const char *const NAMES[TLS_FILES] = {"tls.ca_file", "tls.cert_file", "tls.key_file"};

    return NAMES[which];
}

/* NULL: it is not read. */
static const char *path_of(const struct tls_paths *p, enum tls_file which)
{
    return which == TLS_CA_FILE && p->insecure ? NULL : p->path[which];
}

static int check(enum tls_file which, const struct tls_paths *p, struct http_tls *t, struct err *e)
{
    struct slice text = buf_slice(&t->text[which]);

    switch (which) {
    case TLS_CA_FILE:
        t->authorities = authorities_new();
        return authorities_add(t->authorities, text, e) < 0 ? -1 : authorities_end(t->authorities, e);
    case TLS_CERT_FILE:
        return certificate_check(text, e);
    default:
        return certificate_check_key(buf_slice(&t->text[TLS_CERT_FILE]), text, p->key_password, e);
    }
}

int http_tls_read(struct http_tls **out, const struct tls_paths *p, atomic_uint *at, struct err *e)
{
    struct http_tls *t = mem_alloc(sizeof(*t));
    int rc = 0;

    t->users = 1;
    t->insecure = p->insecure;
    t->key_password = p->key_password ? mem_strdup(p->key_password) : NULL;
    for (size_t i = 0; i < TLS_FILES; i++)
        buf_init(&t->text[i], TLS_FILE_MAX);
    for (unsigned i = 0; i < TLS_FILES && rc == 0; i++) {
        if (!path_of(p, i))
            continue;
        atomic_store(at, i);
        rc = pem_file_read(tls_file_option(i), path_of(p, i), &t->text[i], e);
    }
    for (enum tls_file i = 0; i < TLS_FILES && rc == 0; i++)
        if (path_of(p, i) && check(i, p, t, e) < 0)
            rc = err_wrap(e, "%s: `%s`", tls_file_option(i), p->path[i]);
    if (rc < 0) {
        http_tls_leave(t);
        return -1;
    }

    buf_release(&t->text[TLS_CA_FILE]); /* the authorities are all that is used of it */
    *out = t;
    return 0;
}

struct http_tls *http_tls_keep(struct http_tls *t)
{
    t->users++;
    return t;
}

void http_tls_leave(struct http_tls *t)
{
    if (!t || --t->users > 0)
        return;
    for (size_t i = 0; i < TLS_FILES; i++) {
        if (t->text[i].p)
            explicit_bzero(t->text[i].p, t->text[i].cap);
        buf_release(&t->text[i]);
    }

    authorities_leave(t->authorities);
    if (t->key_password)
        explicit_bzero(t->key_password, strlen(t->key_password));
    mem_free(t->key_password);
    mem_free(t);
}

void tls_paths_stamp(const struct tls_paths *p, atomic_uint *at, struct file_stamp stamps[TLS_FILES])
{
    for (unsigned i = 0; i < TLS_FILES; i++) {
        stamps[i] = (struct file_stamp){0};
        if (!path_of(p, i))
            continue;
        atomic_store(at, i);
        stamps[i] = file_stamp_of(path_of(p, i));
    }
}
