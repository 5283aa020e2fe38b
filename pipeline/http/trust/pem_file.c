#include "pipeline/http/trust/pem_file.h"

#include "pipeline/base/limits.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

static int read_all(int fd, struct buf *out, const char *who, const char *path, struct err *e)
{
    for (;;) {
        ssize_t n;

        if (out->n == out->max)
            return err_set(e, ERR_LIMIT, "%s: `%s` has %llu bytes or more", who, path, TLS_FILE_MAX);
        if (buf_reserve(out, 1) < 0)
            return err_set(e, ERR_NOMEM, "%s: there is no memory for `%s`", who, path);
        n = read(fd, out->p + out->n, out->cap - out->n);
        if (n < 0)
            return err_errno(e, "%s: cannot read `%s`", who, path);
        if (n == 0)
            return 0;
        out->n += (size_t)n;
    }
}

int pem_file_read(const char *who, const char *path, struct buf *out, struct err *e)
{
    struct stat st;
    int fd, rc;

    if (stat(path, &st) < 0)
        return err_errno(e, "%s: cannot read `%s`", who, path);
    if (!S_ISREG(st.st_mode))
        return err_set(e, ERR_CONFIG, "%s: `%s` is not a file", who, path);
    fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return err_errno(e, "%s: cannot read `%s`", who, path);
    buf_expect(out, (size_t)st.st_size + 1); /* no copies of a key on the way */
    rc = read_all(fd, out, who, path, e);
    close(fd);
    return rc;
}
