/* The text is copied up to the next `${`, then what stands for it; what was put in is not looked at again, so a
 * value that contains `${` is just text. */
#include "config/replace.h"

#include "pipeline/base/io.h"
#include "pipeline/base/limits.h"

#include "config/text.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define NAME_MAX_BYTES 256

static const char FORMS[] =
    "write ${env:NAME}, ${env:NAME:-default} or ${file:PATH}, or $${ where `${` itself is meant";

static bool is_name(struct slice s)
{
    if (s.n == 0 || s.n >= NAME_MAX_BYTES || (s.p[0] >= '0' && s.p[0] <= '9'))
        return false;
    for (size_t i = 0; i < s.n; i++)
        if (!isalnum((unsigned char)s.p[i]) && s.p[i] != '_')
            return false;
    return true;
}

static int put(struct replace *r, struct slice value, struct buf *out, struct err *e)
{
    if (value.n > REPLACE_TOTAL_MAX - r->given)
        return err_set(e, ERR_CONFIG, "all ${...} of this file together give more than 4MiB");
    r->given += value.n;
    if (buf_add_slice(out, value) < 0)
        return err_set(e, ERR_CONFIG, "the value is too long");
    return 0;
}

/* inner: NAME or NAME:-default */
static int replace_env(struct replace *r, struct slice inner, struct buf *out, struct err *e)
{
    struct slice name = inner, fallback = {NULL, 0};
    char zname[NAME_MAX_BYTES];
    const char *value;

    for (size_t i = 0; i + 1 < inner.n && !fallback.p; i++)
        if (inner.p[i] == ':' && inner.p[i + 1] == '-') {
            name = slice_of(inner.p, i);
            fallback = slice_of(inner.p + i + 2, inner.n - i - 2);
        }
    if (!is_name(name))
        return err_set(e, ERR_CONFIG, "${env:...} wants the name of a variable (letters, digits, _); %s", FORMS);
    snprintf(zname, sizeof(zname), "%.*s", (int)name.n, name.p);
    if (fallback.p && memmem(fallback.p, fallback.n, "${", 2))
        return err_set(e, ERR_CONFIG, "the default of ${env:%s:-...} cannot hold another ${...}; %s", zname, FORMS);
    value = getenv(zname);
    if (fallback.p && (!value || !*value))
        return put(r, fallback, out, e);
    if (!value)
        return err_set(e, ERR_CONFIG, "the environment variable %s is not set; set it, or write ${env:%s:-default}",
                       zname, zname);
    if (text_first_bad(slice_str(value)) < strlen(value))
        return err_set(e, ERR_CONFIG, "the environment variable %s holds bytes that are not UTF-8 text", zname);
    return put(r, slice_str(value), out, e);
}

/* Reads into `content`, which has room for one byte more than allowed. -1 with errno. */
static int read_regular(const char *path, struct buf *content)
{
    struct stat st;
    int rc = -1, fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK); /* a FIFO must not hang the start */

    if (fd < 0)
        return -1;
    if (fstat(fd, &st) < 0)
        goto out;
    if (!S_ISREG(st.st_mode)) {
        errno = S_ISDIR(st.st_mode) ? EISDIR : EINVAL;
        goto out;
    }
    rc = io_read_all(fd, content);
out:
    close(fd);
    return rc;
}

static int replace_file(struct replace *r, struct slice path, struct buf *out, struct err *e)
{
    bool absolute = path.n && path.p[0] == '/';
    char full[PATH_MAX];
    struct buf content;
    struct slice text;
    int n, rc = -1;

    if (path.n == 0)
        return err_set(e, ERR_CONFIG, "${file:...} wants the path of a file; %s", FORMS);
    n = snprintf(full, sizeof(full), "%s%s%.*s", absolute ? "" : r->base_dir, absolute ? "" : "/", (int)path.n, path.p);
    if (n < 0 || (size_t)n >= sizeof(full))
        return err_set(e, ERR_CONFIG, "${file:...}: the path is too long");
    buf_init(&content, REPLACE_FILE_MAX + 1);
    if (read_regular(full, &content) < 0) {
        err_errno(e, "${file:...}: cannot read %s", full);
        e->code = ERR_CONFIG;
    } else if (content.n > REPLACE_FILE_MAX) {
        err_set(e, ERR_CONFIG, "${file:...}: %s is larger than 64KiB", full);
    } else if (text_first_bad(buf_slice(&content)) < content.n) {
        err_set(e, ERR_CONFIG, "${file:...}: %s holds bytes that are not UTF-8 text", full);
    } else {
        text = buf_slice(&content); /* without one line break */
        text.n -= text.n && text.p[text.n - 1] == '\n';
        text.n -= text.n && text.p[text.n - 1] == '\r';
        rc = put(r, text, out, e);
    }
    buf_wipe(&content);
    return rc;
}

/* `inner` is what stands between ${ and }. */
static int replace_one(struct replace *r, struct slice inner, struct buf *out, struct err *e)
{
    if (slice_starts(inner, SLICE("env:")))
        return replace_env(r, slice_of(inner.p + 4, inner.n - 4), out, e);
    if (slice_starts(inner, SLICE("file:")))
        return replace_file(r, slice_of(inner.p + 5, inner.n - 5), out, e);
    return err_set(e, ERR_CONFIG, "unknown ${...}; %s", FORMS);
}

int replace_in(struct replace *r, struct slice text, struct buf *out, bool *any, struct err *e)
{
    *any = false;
    while (text.n) {
        size_t taken = 1;

        if (slice_starts(text, SLICE("$${"))) {
            if (buf_add_str(out, "${") < 0)
                return err_set(e, ERR_CONFIG, "the value is too long");
            taken = 3;
        } else if (slice_starts(text, SLICE("${"))) {
            const char *end = memchr(text.p, '}', text.n);

            if (!end)
                return err_set(e, ERR_CONFIG, "`${` without `}`; %s", FORMS);
            *any = true;
            taken = (size_t)(end - text.p) + 1;
            if (replace_one(r, slice_of(text.p + 2, taken - 3), out, e) < 0)
                return -1;
        } else if (buf_add_char(out, text.p[0]) < 0) {
            return err_set(e, ERR_CONFIG, "the value is too long");
        }
        text = slice_of(text.p + taken, text.n - taken);
    }
    return 0;
}
