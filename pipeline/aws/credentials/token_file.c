#include "pipeline/aws/credentials/provider.h"

#include "pipeline/base/limits.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

static int read_all(int fd, const char *path, struct buf *out, struct err *e)
{
    for (;;) {
        ssize_t n;

        if (buf_reserve(out, 1) < 0)
            return err_set(e, ERR_LIMIT, "%s has more than %d bytes", path, (int)AWS_TOKEN_MAX);
        n = read(fd, out->p + out->n, out->cap - out->n);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return err_errno(e, "read %s", path);
        if (n == 0)
            return 0;
        out->n += (size_t)n;
    }
}

int aws_read_token(const char *path, struct buf *out, struct err *e)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK), rc; /* a pipe is not waited for */

    buf_init(out, AWS_TOKEN_MAX);
    if (fd < 0)
        return err_errno(e, "open %s", path);
    rc = read_all(fd, path, out, e);
    close(fd);
    while (rc == 0 && out->n > 0 && strchr(" \t\r\n", out->p[out->n - 1]))
        out->n--;
    if (rc == 0 && out->n == 0)
        rc = err_set(e, ERR_FORMAT, "%s is empty", path);
    for (size_t i = 0; rc == 0 && i < out->n; i++)
        if (out->p[i] <= ' ' || out->p[i] > '~')
            rc = err_set(e, ERR_FORMAT, "%s: character %zu is white space or not ASCII", path, i + 1);
    return rc;
}
