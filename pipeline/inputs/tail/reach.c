/* A pattern matches the names on its way, and links lead elsewhere: when /logs/x1 is a link to /srv/out, the pattern
 * /logs/x?/a.log reads /srv/out/a.log. So each pattern has ways in: folders that it enters, each with the name that it has
 * without links. A path is read when behind one of the ways in the rest of its own true name matches. The first way in is the
 * part of the pattern before its wildcards; `**` enters no links, so others can only come from wildcards for folders. */
#include "pipeline/inputs/tail/reach.h"

#include "config/path.h"
#include "pipeline/base/log.h"
#include "pipeline/base/mem.h"
#include "pipeline/base/thread.h"
#include "pipeline/base/true_path.h"
#include "pipeline/inputs/tail/tail.h"

#include <string.h>

struct way_in {
    size_t pattern;
    char *name, *true_name; /* of a folder; "" is the root */
};

struct tail_reach {
    struct tail tail;      /* only its patterns */
    struct tail_conf conf; /* only what they are read with: the input's own need not outlive this */
    bool good, no_links;
    struct way_in *ways;
    size_t count;
};

static void add_way(struct tail_reach *r, size_t pattern, const char *name, char *true_name)
{
    struct way_in *w;

    r->ways = mem_grow(r->ways, r->count + 1, sizeof(*r->ways));
    w = &r->ways[r->count++];
    *w = (struct way_in){
        .pattern = pattern, .name = mem_strdup(strcmp(name, "/") == 0 ? "" : name), .true_name = true_name};
    if (strcmp(w->true_name, "/") == 0)
        w->true_name[0] = '\0';
}

/* What of a pattern stands before its first component with a wildcard: all of it, when there is none. */
static char *head_of(const char *pattern)
{
    size_t n = strcspn(pattern, "*?[\\");
    char *written, *head;

    while (pattern[n] && pattern[n - 1] != '/')
        n--;
    written = mem_strndup(pattern, n);
    head = path_below(NULL, written);
    mem_free(written);
    return head;
}

/* Can it enter a link behind its first way in? By a folder with a wildcard other than `**`, or by a name behind a wildcard,
 * which may be that of a link to a folder also when it is the last one. */
static bool enters_links(const char *pattern)
{
    bool wild = false;

    for (const char *p = pattern; *p;) {
        size_t n = strcspn(p, "/");
        bool last = p[n] == '\0', here = strcspn(p, "*?[\\") < n, any_depth = n == 2 && strncmp(p, "**", 2) == 0;

        wild |= here;
        if (wild && n > 0 && !any_depth && !(last && here))
            return true;
        p += n + !last;
    }
    return false;
}

struct walk {
    struct tail_reach *r;
    size_t pattern; /* its first way in has the same index */
};

/* A folder that is where its name says, seen from the first way in, is no new one. */
static void on_folder(void *ctx, int dir_fd, const char *dir)
{
    struct walk *w = ctx;
    const struct way_in *first = &w->r->ways[w->pattern];
    char *true_name = true_path(dir), *expected;

    (void)dir_fd;
    expected = mem_printf("%s%s", first->true_name, dir + strlen(first->name));
    if (strcmp(expected, true_name) != 0)
        add_way(w->r, w->pattern, dir, true_path(dir));
    mem_free(true_name);
    mem_free(expected);
}

static const struct glob *glob_of(const struct tail_reach *r, size_t pattern)
{
    return r->tail.patterns[pattern].glob;
}

/* The first way in of each pattern, and behind all of these: without wildcards a pattern names a file, or a folder whose files are
 * meant. */
static void add_written(struct tail_reach *r, char *(*true_name)(const char *path))
{
    for (size_t i = 0; i < r->tail.pattern_count; i++) {
        char *head = head_of(glob_text(glob_of(r, i)));

        add_way(r, i, head, true_name(head));
        mem_free(head);
    }
    for (size_t i = 0; i < r->tail.pattern_count; i++) {
        char *parent;

        if (strpbrk(glob_text(glob_of(r, i)), "*?[\\"))
            continue;
        parent = mem_strdup(r->ways[i].name);
        tail_folder_of(parent);
        add_way(r, i, parent, true_name(parent));
        mem_free(parent);
    }
}

/* On a thread of its own, which a disk may keep: it knows nothing but r. */
static void find_ways(void *arg)
{
    struct tail_reach *r = arg;

    add_written(r, true_path);
    for (size_t i = 0; i < r->tail.pattern_count; i++) {
        struct walk w = {r, i};
        const struct glob_visitor v = {.folder = on_folder, .no_links = r->no_links, .ctx = &w};

        if (enters_links(glob_text(glob_of(r, i))))
            glob_walk(glob_of(r, i), &v);
    }
}

static struct tail_reach *parse(const struct tail_conf *conf, const char *base_dir)
{
    struct tail_reach *r = mem_alloc(sizeof(*r));
    struct err e;

    r->tail.conf = conf;
    r->no_links = !conf->follow_symlinks;
    r->good = tail_patterns_parse(&r->tail, base_dir, &e) == 0;
    r->conf.compressed = conf->compressed;
    r->tail.conf = &r->conf;
    return r;
}

static void free_late(void *arg)
{
    tail_reach_close(&arg);
}

void *tail_reach_open(const void *conf, const char *base_dir, nsec wait)
{
    struct tail_reach *r = parse(conf, base_dir);

    if (!r->good || thread_try(find_ways, free_late, r, wait))
        return r;
    r = parse(conf, base_dir);
    if (r->good) {
        log_warn("a folder does not answer, so where its links lead is not known", KS("path", glob_text(glob_of(r, 0))),
                 KS("hint",
                    "look at the disk, or at the server that it is mounted from; that a stream does not read what is "
                    "written here is checked by names only"));
        add_written(r, mem_strdup); /* which needs no disk */
    }
    return r;
}

void tail_reach_close(void **reach)
{
    struct tail_reach *r = *reach;

    if (!r)
        return;
    for (size_t i = 0; i < r->count; i++) {
        mem_free(r->ways[i].name);
        mem_free(r->ways[i].true_name);
    }
    mem_free(r->ways);
    tail_patterns_release(&r->tail);
    MEM_CLEAR(*reach);
}

static bool reaches(const struct tail_reach *r, const struct way_in *w, const char *path)
{
    size_t n = strlen(w->true_name);
    char *name;
    bool yes;

    if (strncmp(path, w->true_name, n) != 0 || path[n] != '/')
        return false;
    name = mem_printf("%s%s", w->name, path + n);
    yes = glob_match(glob_of(r, w->pattern), name) && !tail_is_excluded(&r->tail, name);
    mem_free(name);
    return yes;
}

bool tail_reach_has(const void *reach, const char *path, size_t *item)
{
    const struct tail_reach *r = reach;

    for (size_t i = 0; r->good && i < r->count; i++)
        if (reaches(r, &r->ways[i], path)) {
            *item = r->tail.patterns[r->ways[i].pattern].item;
            return true;
        }
    return false;
}
