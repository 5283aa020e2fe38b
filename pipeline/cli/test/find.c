#include "pipeline/cli/test/find.h"

#include "pipeline/base/mem.h"
#include "pipeline/cli/test/file.h"

#include <errno.h>
#include <fts.h>
#include <string.h>
#include <sys/stat.h>

static int by_name(const FTSENT **a, const FTSENT **b)
{
    return strcmp((*a)->fts_name, (*b)->fts_name);
}

static void add(struct test_paths *out, const char *path)
{
    if (strncmp(path, "./", 2) == 0)
        path += 2;
    out->at = mem_grow(out->at, out->count + 1, sizeof(*out->at));
    out->at[out->count++] = mem_strdup(path);
}

static bool is_test(const FTSENT *f)
{
    size_t suffix = sizeof(TEST_FILE_SUFFIX) - 1;

    return f->fts_info == FTS_F && f->fts_namelen > suffix &&
           strcmp(f->fts_name + f->fts_namelen - suffix, TEST_FILE_SUFFIX) == 0;
}

static int walk(FTS *tree, struct test_paths *out, struct err *e)
{
    FTSENT *f;

    while ((f = fts_read(tree))) {
        if (f->fts_info == FTS_DNR || f->fts_info == FTS_ERR) {
            errno = f->fts_errno;
            return err_errno(e, "cannot read %s", f->fts_path);
        }
        if (f->fts_info == FTS_D && f->fts_level > 0 && f->fts_name[0] == '.')
            fts_set(tree, f, FTS_SKIP);
        else if (is_test(f))
            add(out, f->fts_path);
    }
    return errno ? err_errno(e, "cannot look for tests") : 0;
}

int cli_test_find(const char *path, struct test_paths *out, struct err *e)
{
    char *copy, *roots[2] = {NULL, NULL};
    struct stat st;
    FTS *tree;
    int rc;

    if (stat(path, &st) < 0)
        return err_errno(e, "cannot look at %s", path);
    if (!S_ISDIR(st.st_mode)) {
        add(out, path);
        return 0;
    }
    roots[0] = copy = mem_strdup(path);
    tree = fts_open(roots, FTS_PHYSICAL | FTS_NOCHDIR, by_name);
    rc = tree ? walk(tree, out, e) : err_errno(e, "cannot read %s", path);
    if (tree)
        fts_close(tree);
    mem_free(copy);
    return rc;
}

void cli_test_paths_free(struct test_paths *p)
{
    for (size_t i = 0; i < p->count; i++)
        mem_free(p->at[i]);
    MEM_CLEAR(p->at);
    p->count = 0;
}
