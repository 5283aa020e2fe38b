/* The path is walked name by name from the root: what has been walked is true, so a `..` may simply take its last name away. A link is
 * replaced by where it leads, walked in the same way, up to a number of links. */
#include "pipeline/base/true_path.h"

#include "pipeline/base/limits.h"
#include "pipeline/base/mem.h"
#include "pipeline/base/thread.h"

#include <limits.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static char *join(const char *folder, const char *name)
{
    return mem_printf("%s%s%s", folder, strcmp(folder, "/") == 0 ? "" : "/", name);
}

/* Walks on from `folder`, which is true and is taken, by the names of `rest`, which is cut up. */
static char *walk(char *folder, char *rest, unsigned links)
{
    for (const char *name; (name = strsep(&rest, "/"));) {
        char *path, target[PATH_MAX];
        ssize_t n;

        if (*name == '\0' || strcmp(name, ".") == 0)
            continue;
        if (strcmp(name, "..") == 0) {
            char *slash = strrchr(folder, '/');

            slash[slash == folder] = '\0';
            continue;
        }
        path = join(folder, name);
        n = links < TRUE_PATH_LINKS_MAX ? readlink(path, target, sizeof(target) - 1) : -1;
        if (n <= 0) { /* no link, or not there */
            mem_free(folder);
            folder = path;
            continue;
        }
        target[n] = '\0';
        mem_free(path);
        if (target[0] == '/')
            folder[1] = '\0';
        folder = walk(folder, target, links + 1);
    }
    return folder;
}

char *true_path(const char *path)
{
    char real[PATH_MAX], *copy, *out;

    if (realpath(path, real))
        return mem_strdup(real);
    copy = mem_strdup(path);
    out = walk(mem_strdup("/"), copy, 0);
    mem_free(copy);
    return out;
}

struct question {
    char *path, *answer;
};

static void answer(void *arg)
{
    struct question *q = arg;

    q->answer = true_path(q->path);
}

static void question_free(void *arg)
{
    struct question *q = arg;

    mem_free(q->path);
    mem_free(q->answer);
    mem_free(q);
}

char *true_path_within(const char *path, nsec wait)
{
    struct question *q = mem_alloc(sizeof(*q));
    char *out;

    q->path = mem_strdup(path);
    if (!thread_try(answer, question_free, q, wait))
        return NULL;
    out = q->answer;
    q->answer = NULL;
    question_free(q);
    return out;
}
