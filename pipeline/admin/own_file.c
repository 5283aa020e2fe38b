#include "pipeline/admin/own_file.h"

#include "pipeline/base/io.h"
#include "pipeline/base/mem.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

static char *beside(const char *path)
{
    return mem_printf("%s.new", path);
}

int own_file_write(const char *path, struct slice text, struct err *e)
{
    char *fresh = beside(path);
    int fd, rc = 0;

    (void)unlink(fresh);
    fd = io_open(&io_ops_real, fresh, O_WRONLY | O_CREAT | O_EXCL, 0600, e);
    if (fd >= 0 && (fchmod(fd, 0600) < 0 || io_write_all(fd, text) < 0 || fdatasync(fd) < 0))
        rc = err_errno(e, "%s cannot be written", fresh);
    if (fd < 0 || (close(fd) < 0 && rc == 0))
        rc = fd < 0 ? -1 : err_errno(e, "%s cannot be written", fresh);
    if (rc < 0)
        (void)unlink(fresh);
    mem_free(fresh);
    return rc;
}

int own_file_place(const char *path, struct err *e)
{
    char *fresh = beside(path);
    int rc = 0;

    if (rename(fresh, path) < 0) {
        rc = err_errno(e, "%s cannot be renamed", fresh);
        (void)unlink(fresh);
    }
    mem_free(fresh);
    return rc;
}

void own_file_drop(const char *path)
{
    char *fresh = beside(path);

    (void)unlink(fresh);
    mem_free(fresh);
}
