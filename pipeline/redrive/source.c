/* Folders are walked in the order of their names, so a second run meets files as the first one did. What cannot be read is said and stepped over:
 * one bad file is no reason to leave the others where they are. */
#include "pipeline/redrive/source.h"

#include "pipeline/base/limits.h"
#include "pipeline/base/mem.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static int visit_file(const char *path, bool named, const struct redrive_visitor *v)
{
    struct redrive_file f = {.path = path, .named = named};
    struct stat st;
    struct err e;
    int rc = 0;

    f.fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK); /* what was a file a moment ago may be a pipe now */
    if (f.fd < 0) {
        err_errno(&e, "cannot open it");
        v->unread(v->ctx, path, &e);
        return 0;
    }
    if (fstat(f.fd, &st) == 0 && st.st_size <= (off_t)REDRIVE_OBJECT_MAX) {
        rc = v->object(v->ctx, &f);
    } else {
        err_set(&e, ERR_LIMIT, "it has more than %llu bytes", REDRIVE_OBJECT_MAX);
        v->unread(v->ctx, path, &e);
    }
    close(f.fd);
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
    if (S_ISDIR(st.st_mode) && depth < REDRIVE_FOLDERS_MAX)
        return visit_folder(path, depth, v);
    return S_ISREG(st.st_mode) ? visit_file(path, depth == 0, v) : 0;
}

int redrive_files(const char *path, const struct redrive_visitor *v)
{
    return visit(path, 0, v);
}
