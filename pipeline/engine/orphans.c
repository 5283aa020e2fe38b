/* Each folder in data_dir/streams whose name is in no configuration is looked into without changing it. One that cannot be read counts as well:
 * nobody knows that nothing waits in it. */
#include "pipeline/engine/orphans.h"

#include "pipeline/base/mem.h"
#include "pipeline/base/human.h"
#include "pipeline/encode/stage_left.h"
#include "pipeline/spool/inspect.h"

#include <dirent.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char ORPHAN_HINT[] =
    "put the stream back into the configuration; or, when it was renamed, stop sluice and rename its "
    "folder in data_dir/streams, too; or deliver what it holds with `sluice drain NAME --to STREAM`";

static void add(struct orphans *o, const char *name, uint64_t records, const char *trouble)
{
    o->list = mem_grow(o->list, o->count + 1, sizeof(*o->list));
    o->list[o->count++] =
        (struct orphan){.name = mem_strdup(name), .records = records, .trouble = trouble ? mem_strdup(trouble) : NULL};
}

static int by_name(const void *a, const void *b)
{
    const struct orphan *x = a, *y = b;

    return strcmp(x->name, y->name);
}

static void sort(struct orphans *o)
{
    if (o->count > 1)
        qsort(o->list, o->count, sizeof(*o->list), by_name);
}

/* Of all its destinations (stage_dir()). */
static size_t count_staged(const char *folder, const char *name)
{
    static const char STAGING[] = "staging";
    char *stream = mem_printf("%s/%s", folder, name);
    DIR *d = opendir(stream);
    const struct dirent *entry;
    size_t count = 0;

    while (d && (entry = readdir(d))) {
        char *staging = mem_printf("%s/%s", stream, entry->d_name);

        if (strncmp(entry->d_name, STAGING, strlen(STAGING)) == 0)
            count += stage_left_count(staging, NULL, 0);
        mem_free(staging);
    }
    if (d)
        closedir(d);
    mem_free(stream);
    return count;
}

/* Where there is a log, it knows all that is staged, but for what is of no use any more. */
static void look(struct orphans *o, const char *folder, const char *name)
{
    char *spool = mem_printf("%s/%s/spool", folder, name);
    uint64_t waiting;
    size_t staged;
    bool has_log;
    struct err e;

    if (spool_peek(spool, &has_log, &waiting, &e) < 0) {
        add(o, name, 0, e.msg);
    } else if (waiting > 0) {
        add(o, name, waiting, NULL);
    } else if (!has_log && (staged = count_staged(folder, name)) > 0) {
        err_set(&e, ERR_FORMAT, "the log of %zu file%s with staged records is not in %s", staged, noun_s(staged),
                spool);
        add(o, name, 0, e.msg);
    }
    mem_free(spool);
}

void orphans_find(const struct settings *s, struct orphans *out)
{
    char *folder = mem_printf("%s/streams", s->data_dir);
    DIR *d = opendir(folder);
    struct dirent *entry;

    *out = (struct orphans){.list = NULL};
    while (d && (entry = readdir(d))) {
        if (entry->d_name[0] != '.' && !settings_stream(s, entry->d_name))
            look(out, folder, entry->d_name);
    }
    if (d)
        closedir(d);
    sort(out);
    mem_free(folder);
}

void orphans_add(struct orphans *o, const char *name, uint64_t records)
{
    orphans_remove(o, name);
    add(o, name, records, NULL);
    sort(o);
}

static void release_one(struct orphan *o)
{
    mem_free(o->name);
    mem_free(o->trouble);
}

void orphans_remove(struct orphans *o, const char *name)
{
    for (size_t i = 0; i < o->count; i++) {
        if (strcmp(o->list[i].name, name) != 0)
            continue;
        release_one(&o->list[i]);
        o->count--;
        memmove(&o->list[i], &o->list[i + 1], (o->count - i) * sizeof(*o->list));
        return;
    }
}

void orphans_copy(const struct orphans *o, struct orphans *out)
{
    *out = (struct orphans){.list = NULL};
    for (size_t i = 0; i < o->count; i++)
        add(out, o->list[i].name, o->list[i].records, o->list[i].trouble);
}

void orphans_release(struct orphans *o)
{
    for (size_t i = 0; i < o->count; i++)
        release_one(&o->list[i]);
    MEM_CLEAR(o->list);
    o->count = 0;
}

const struct orphan *orphans_named(const struct orphans *o, const char *name)
{
    for (size_t i = 0; i < o->count; i++)
        if (strcmp(o->list[i].name, name) == 0)
            return &o->list[i];
    return NULL;
}

void orphan_describe(const struct orphan *o, char *out, size_t size)
{
    if (o->trouble)
        snprintf(out, size, "holds what cannot be read: %s", o->trouble);
    else
        snprintf(out, size, "holds %" PRIu64 " record%s that nobody delivers", o->records, noun_s(o->records));
}
