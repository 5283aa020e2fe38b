#include "pipeline/redrive_files.h"

#include "pipeline/base/buf.h"
#include "pipeline/base/limits.h"
#include "pipeline/base/mem.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define PIECE     (256 * KIB)
#define DEPTH_MAX 64

static int read_file(const char *path, struct buf *out, struct err *e)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t n = 1;

    if (fd < 0)
        return err_errno(e, "cannot open it");
    while (n > 0 && buf_reserve(out, PIECE) == 0) {
        n = read(fd, out->p + out->n, PIECE);
        if (n > 0)
            out->n += (size_t)n;
    }
    if (n < 0)
        err_errno(e, "cannot read it");
    else if (n > 0)
        err_set(e, ERR_LIMIT, "it has more than %zu bytes", out->max);
    close(fd);
    return n == 0 ? 0 : -1;
}

static int visit_file(const char *path, bool named, const struct redrive_visitor *v)
{
    struct redrive_file f = {.path = path, .named = named};
    struct buf content;
    struct err e;
    int rc = 0;

    buf_init(&content, REDRIVE_OBJECT_MAX);
    if (read_file(path, &content, &e) < 0) {
        v->unread(v->ctx, path, &e);
    } else {
        f.content = buf_slice(&content);
        rc = redrive_visit(v, &f);
    }
    buf_release(&content);
    return rc;
}

static int is_shown(const struct dirent *d)
{
    return d->d_name[0] != '.';
}

static int visit(const char *path, unsigned depth, const struct redrive_visitor *v);

static int visit_folder(const char *path, unsigned depth, const struct redrive_visitor *v)
{
    struct dirent **names;
    int count = scandir(path, &names, is_shown, alphasort), rc = 0;
    struct err e;

    if (count < 0) {
        err_errno(&e, "cannot read the folder");
        v->unread(v->ctx, path, &e);
        return 0;
    }
    for (int i = 0; i < count; i++) {
        char *inner = mem_printf("%s%s%s", path, path[strlen(path) - 1] == '/' ? "" : "/", names[i]->d_name);

        if (rc == 0)
            rc = visit(inner, depth + 1, v);
        mem_free(inner);
        mem_free(names[i]);
    }
    mem_free(names);
    return rc;
}

static int visit(const char *path, unsigned depth, const struct redrive_visitor *v)
{
    struct stat st;
    struct err e;

    if (stat(path, &st) < 0) {
        err_errno(&e, "cannot look at it");
        v->unread(v->ctx, path, &e);
        return 0;
    }
    if (S_ISDIR(st.st_mode) && depth < DEPTH_MAX)
        return visit_folder(path, depth, v);
    return S_ISREG(st.st_mode) ? visit_file(path, depth == 0, v) : 0;
}

int redrive_files(const char *path, const struct redrive_visitor *v)
{
    return visit(path, 0, v);
}
