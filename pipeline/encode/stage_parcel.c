#include "pipeline/encode/stage_parcel.h"

#include "pipeline/base/mem.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>

#define FILE_NAME "%020" PRIu64 ".parcel"

char *stage_path(const char *dir, uint64_t number)
{
    return mem_printf("%s/" FILE_NAME, dir, number);
}

void stage_parcel_free(struct stage_parcel **pp)
{
    struct stage_parcel *p = *pp;

    if (!p)
        return;
    assert(!p->file);
    mem_free((void *)(uintptr_t)p->keys.p);
    mem_free(p->path);
    mem_free(p);
    *pp = NULL;
}

void stage_parcels_free(struct stage_parcels *list)
{
    struct stage_parcel *p;

    while ((p = TAILQ_FIRST(list))) {
        TAILQ_REMOVE(list, p, line);
        stage_parcel_free(&p);
    }
}

int stage_parcel_remove(const struct io_ops *files, const struct stage_parcel *p, struct err *e)
{
    return files->unlink(p->path) < 0 && errno != ENOENT ? err_errno(e, "remove %s", p->path) : 0;
}
