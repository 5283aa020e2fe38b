/* A start that finds the log damaged, or none, makes it whole, and the next one finds nothing wrong with it. But what lies beside the log and that it does not
 * know any more (staged records, say) may be the only copy there is, and the start may end before that is in safety. So a file says that there
 * was damage, <dir>/damage, from before the log is changed until that is done. It holds a sentence for whoever finds it. */
#include "pipeline/base/mem.h"
#include "pipeline/spool/spool_impl.h"

#include <fcntl.h>
#include <unistd.h>

static const char TEXT[] =
    "The log in this folder was damaged, or was not there. While this file is here, files of staged records that "
    "the log does not know are kept.\n";

static char *path_of(const char *dir)
{
    return mem_printf("%s/damage", dir);
}

/* A disk that does not take it keeps nobody from starting: then only this start keeps them. */
void damage_note(const struct spool *s)
{
    char *path = path_of(s->dir);
    struct err ignored;
    int fd = io_open_disposable(s->ops, path, O_RDWR | O_CREAT | O_CLOEXEC, 0600, &ignored);

    if (fd >= 0) {
        (void)!write(fd, TEXT, sizeof(TEXT) - 1); /* that it is there is enough */
        close(fd);
        (void)!io_sync_folder(s->ops, s->dir, &ignored);
    }
    mem_free(path);
}

bool damage_is_noted(const char *dir)
{
    char *path = path_of(dir);
    bool is = access(path, F_OK) == 0;

    mem_free(path);
    return is;
}

void spool_forget_damage(struct spool *s)
{
    char *path = path_of(s->dir);

    (void)s->ops->unlink(path); /* when it stays, the next start keeps more than it must */
    mem_free(path);
}
