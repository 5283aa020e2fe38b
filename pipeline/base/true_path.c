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

static bool is_step(const char *name)
{
    return *name == '\0' || strcmp(name, ".") == 0;
}

static char *parent_of(const char *path)
{
    const char *slash = strrchr(path, '/');

    return slash == path ? mem_strdup("/") : mem_strndup(path, (size_t)(slash - path));
}

/* `folder` is true, `name` its entry. */
static char *resolve(const char *folder, const char *name, unsigned links)
{
    char target[PATH_MAX], *path, *whole, *out;
    ssize_t n;

    if (is_step(name))
        return mem_strdup(folder);
    if (strcmp(name, "..") == 0)
        return parent_of(folder);
    path = join(folder, name);
    n = links < TRUE_PATH_LINKS_MAX ? readlink(path, target, sizeof(target) - 1) : -1;
    if (n <= 0)
        return path; /* no link, or not there */
    target[n] = '\0';
    whole = target[0] == '/' ? mem_strdup(target) : join(folder, target);
    mem_free(path);
    out = mem_strdup("/");
    for (char *rest = whole, *next; (next = strsep(&rest, "/"));) {
        char *deeper = resolve(out, next, links + 1);

        mem_free(out);
        out = deeper;
    }
    mem_free(whole);
    return out;
}

char *true_path(const char *path)
{
    char real[PATH_MAX], *copy, *out;

    if (realpath(path, real))
        return mem_strdup(real);
    copy = mem_strdup(path);
    out = mem_strdup("/");
    for (char *rest = copy, *next; (next = strsep(&rest, "/"));) {
        char *deeper = resolve(out, next, 0);

        mem_free(out);
        out = deeper;
    }
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
