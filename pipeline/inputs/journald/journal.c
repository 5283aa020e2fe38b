#include "pipeline/inputs/journald/journal.h"

#include "config/path.h"
#include "pipeline/base/limits.h"
#include "pipeline/base/mem.h"

#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <systemd/sd-journal.h>
#include <unistd.h>

#define NSEC_PER_USEC_U ((uint64_t)NSEC_PER_USEC)

static int refuse(struct err *e, const char *doing, int rc)
{
    errno = -rc;
    return err_errno(e, "%s", doing);
}

/* --- is there one? ------------------------------------------------------------------------------------------------- */

struct found {
    unsigned files, closed; /* closed: they cannot be read */
};

static bool is_journal(const char *name)
{
    const char *dot = strrchr(name, '.');

    return dot && (strcmp(dot, ".journal") == 0 || strcmp(dot, ".journal~") == 0);
}

/* Files lie in the folder, or in a folder of their machine's below it. */
static void count_files(const char *dir, bool below, struct found *f)
{
    DIR *d = opendir(dir);
    struct dirent *entry;

    if (!d) {
        f->closed += errno == EACCES;
        return;
    }
    while ((entry = readdir(d))) {
        char path[PATH_MAX];

        if (entry->d_name[0] == '.' || snprintf(path, sizeof(path), "%s/%s", dir, entry->d_name) >= (int)sizeof(path))
            continue;
        if (is_journal(entry->d_name)) {
            f->files++;
            f->closed += access(path, R_OK) < 0;
        } else if (below) {
            count_files(path, false, f);
        }
    }
    closedir(d);
}

int journal_check(const struct journald_conf *c, const char *base_dir, struct err *e)
{
    char *path = c->path ? path_below(base_dir, c->path) : NULL;
    const char *where = path ? path : "/var/log/journal or /run/log/journal";
    struct found f = {0};
    struct stat st;
    int rc = 0;

    if (path && stat(path, &st) < 0) {
        rc = err_errno(e, "path: %s cannot be read", path);
    } else if (path && S_ISREG(st.st_mode)) {
        f.files = 1;
        f.closed = access(path, R_OK) < 0;
    } else if (path) {
        count_files(path, true, &f);
    } else {
        count_files("/var/log/journal", true, &f);
        count_files("/run/log/journal", true, &f);
    }
    if (rc == 0 && f.closed > 0 && f.files <= f.closed)
        rc = err_set(e, ERR_IO,
                     "the journal in %s cannot be read: put the user of sluice into the group systemd-journal", where);
    else if (rc == 0 && f.files == 0)
        rc = err_set(e, ERR_IO,
                     "there is no journal in %s: does journald run here? In a container, mount the host's "
                     "/var/log/journal and name it with `path`",
                     where);
    mem_free(path);
    return rc;
}

/* --- open ---------------------------------------------------------------------------------------------------------- */

static int open_it(sd_journal **j, const struct journald_conf *c, const char *base_dir, struct err *e)
{
    char *path = c->path ? path_below(base_dir, c->path) : NULL;
    const char *files[] = {path, NULL};
    struct stat st;
    int rc;

    if (!path)
        rc = sd_journal_open(j, SD_JOURNAL_LOCAL_ONLY);
    else if (stat(path, &st) == 0 && S_ISREG(st.st_mode))
        rc = sd_journal_open_files(j, files, 0);
    else
        rc = sd_journal_open_directory(j, path, 0);
    mem_free(path);
    if (rc < 0)
        return refuse(e, "the journal cannot be opened", rc);
    /* One more than a record may have: so it is known what was cut. */
    (void)sd_journal_set_data_threshold(*j, LINE_MAX_BYTES + 1);
    return 0;
}

static int add(sd_journal *j, const char *field, struct slice value)
{
    char text[JOURNALD_NAME_MAX + 80];
    int n = snprintf(text, sizeof(text), "%s%.*s", field, (int)value.n, value.p);

    return sd_journal_add_match(j, text, (size_t)n);
}

/* What a unit writes, and what systemd and the kernel's dumps of it say, as journalctl has it. Nobody else may speak of it: hence the second
 * field of each. */
static int add_unit(sd_journal *j, struct slice unit)
{
    int rc = add(j, "_SYSTEMD_UNIT=", unit);

    rc = rc < 0 ? rc : sd_journal_add_disjunction(j);
    rc = rc < 0 ? rc : add(j, "_PID=1", SLICE(""));
    rc = rc < 0 ? rc : add(j, "UNIT=", unit);
    rc = rc < 0 ? rc : sd_journal_add_disjunction(j);
    rc = rc < 0 ? rc : add(j, "_UID=0", SLICE(""));
    rc = rc < 0 ? rc : add(j, "OBJECT_SYSTEMD_UNIT=", unit);
    rc = rc < 0 ? rc : sd_journal_add_disjunction(j);
    rc = rc < 0 ? rc : add(j, "_UID=0", SLICE(""));
    rc = rc < 0 ? rc : add(j, "MESSAGE_ID=fc2e22bc6ee647b6b90729ab34a250b1", SLICE(""));
    rc = rc < 0 ? rc : add(j, "COREDUMP_UNIT=", unit);
    return rc < 0 ? rc : sd_journal_add_disjunction(j);
}

static int add_filters(sd_journal *j, const struct journald_conf *c)
{
    char unit[JOURNALD_NAME_MAX + 16], priority[] = "PRIORITY=0";
    int rc = 0;

    for (size_t i = 0; i < c->units.n && rc >= 0; i++)
        rc = add_unit(j, journald_unit(c->units.v[i], unit));
    rc = rc < 0 || c->units.n == 0 ? rc : sd_journal_add_conjunction(j);
    for (size_t i = 0; i < c->identifiers.n && rc >= 0; i++)
        rc = add(j, "SYSLOG_IDENTIFIER=", slice_str(c->identifiers.v[i]));
    for (int p = 0; c->priority < JOURNALD_PRIORITY_ALL && p <= c->priority && rc >= 0; p++) {
        priority[sizeof(priority) - 2] = (char)('0' + p);
        rc = add(j, priority, SLICE(""));
    }
    rc = rc < 0 || c->match.n == 0 ? rc : sd_journal_add_conjunction(j);
    for (size_t i = 0; i < c->match.n && rc >= 0; i++)
        rc = add(j, "", slice_str(c->match.v[i]));
    return rc;
}

static int get_cursor(sd_journal *j, char cursor[JOURNALD_CURSOR_MAX])
{
    char *text;
    int rc = sd_journal_get_cursor(j, &text);

    if (rc < 0)
        return rc;
    if (snprintf(cursor, JOURNALD_CURSOR_MAX, "%s", text) >= JOURNALD_CURSOR_MAX)
        rc = -E2BIG;
    mem_free(text); /* theirs is malloc, too */
    return rc;
}

int journal_end(const struct journald_conf *c, const char *base_dir, char cursor[JOURNALD_CURSOR_MAX], struct err *e)
{
    sd_journal *j;
    int rc;

    snprintf(cursor, JOURNALD_CURSOR_MAX, "^");
    if (open_it(&j, c, base_dir, e) < 0)
        return -1;
    rc = sd_journal_seek_tail(j);
    rc = rc < 0 ? rc : sd_journal_previous(j);
    rc = rc <= 0 ? rc : get_cursor(j, cursor);
    sd_journal_close(j);
    return rc < 0 ? refuse(e, "the journal's end cannot be found", rc) : 0;
}

int journal_first(const struct journald_conf *c, const char *base_dir, nsec wall_now, char cursor[JOURNALD_CURSOR_MAX],
                  struct err *e)
{
    if (c->start == JOURNALD_END)
        return journal_end(c, base_dir, cursor, e);
    snprintf(cursor, JOURNALD_CURSOR_MAX, "^");
    if (c->since > 0 && c->since < wall_now)
        snprintf(cursor, JOURNALD_CURSOR_MAX, "@%" PRIu64, (uint64_t)((wall_now - c->since) / NSEC_PER_USEC));
    return 0;
}

/* --- behind a cursor ----------------------------------------------------------------------------------------------- */

static void compare(const char *last, const char *next, struct journal_gone *gone)
{
    struct entry_cursor a, b;

    if (!entry_cursor_parse(last, &a) || !entry_cursor_parse(next, &b))
        return;
    gone->counted = entry_cursor_gap(&a, &b, &gone->entries);
    gone->any = !gone->counted || gone->entries > 0;
    gone->from = (nsec)(a.time * NSEC_PER_USEC_U);
    gone->to = (nsec)(b.time * NSEC_PER_USEC_U);
}

/* Is the entry of the cursor there? Else which one follows. */
static int look_for(sd_journal *j, const char *cursor, struct journal_gone *gone)
{
    char next[JOURNALD_CURSOR_MAX];
    int rc = sd_journal_seek_cursor(j, cursor);

    rc = rc < 0 ? rc : sd_journal_next(j);
    if (rc <= 0)
        return rc;
    rc = get_cursor(j, next);
    if (rc >= 0 && !entry_cursor_same(cursor, next))
        compare(cursor, next, gone);
    return rc;
}

int journal_look_back(const struct journald_conf *c, const char *base_dir, const char *cursor,
                      struct journal_gone *gone, struct err *e)
{
    sd_journal *j;
    int rc;

    *gone = (struct journal_gone){.any = false};
    if (open_it(&j, c, base_dir, e) < 0)
        return -1;
    rc = look_for(j, cursor, gone);
    sd_journal_close(j);
    return rc < 0 ? refuse(e, "the journal cannot be looked through", rc) : 0;
}

static int go_to(struct journal *jl, const char *cursor, struct journal_gone *gone, const struct journald_conf *c)
{
    bool known = *cursor != '^' && *cursor != '@';
    int rc = known ? look_for(jl->j, cursor, gone) : 0;

    rc = rc < 0 ? rc : add_filters(jl->j, c);
    if (rc < 0)
        return rc;
    jl->passes = known;
    if (known)
        snprintf(jl->cursor, sizeof(jl->cursor), "%s", cursor);
    if (*cursor == '^')
        return sd_journal_seek_head(jl->j);
    if (*cursor == '@')
        return sd_journal_seek_realtime_usec(jl->j, strtoull(cursor + 1, NULL, 10));
    return sd_journal_seek_cursor(jl->j, cursor);
}

int journal_open(struct journal *jl, const struct journald_conf *c, const char *base_dir, const char *cursor,
                 struct journal_gone *gone, struct err *e)
{
    int rc;

    *jl = (struct journal){.j = NULL};
    *gone = (struct journal_gone){.any = false};
    if (open_it(&jl->j, c, base_dir, e) < 0)
        return -1;
    rc = sd_journal_get_fd(jl->j); /* from now on it hears of changes */
    if (rc == -EMEDIUMTYPE)        /* files that were named one by one do not change */
        rc = 0;
    rc = rc < 0 ? rc : go_to(jl, cursor, gone, c);
    if (rc >= 0)
        return 0;
    journal_close(jl);
    return refuse(e, "the journal cannot be read on where it was left", rc);
}

void journal_close(struct journal *jl)
{
    if (jl->j)
        sd_journal_close(jl->j);
    jl->j = NULL;
}

/* --- entries ------------------------------------------------------------------------------------------------------- */

static void add_number(struct entry *entry, const char *name, uint64_t v)
{
    char text[64];

    entry_add(entry, slice_of(text, (size_t)snprintf(text, sizeof(text), "%s=%" PRIu64, name, v)), false);
}

static int read_fields(sd_journal *j, struct entry *entry)
{
    const void *data;
    size_t n;
    int rc;

    sd_journal_restart_data(j);
    while ((rc = sd_journal_enumerate_available_data(j, &data, &n)) > 0)
        entry_add(entry, slice_of(data, n), n > LINE_MAX_BYTES);
    return rc;
}

static int read_entry(struct journal *jl, struct entry *entry, nsec *wall)
{
    char cursor[JOURNALD_CURSOR_MAX + 16];
    sd_id128_t boot;
    uint64_t usec;
    int rc;

    entry_begin(entry);
    rc = get_cursor(jl->j, jl->cursor);
    if (rc < 0 || (rc = sd_journal_get_realtime_usec(jl->j, &usec)) < 0)
        return rc;
    *wall = (nsec)(usec * NSEC_PER_USEC_U);
    entry_add(entry, slice_of(cursor, (size_t)snprintf(cursor, sizeof(cursor), "__CURSOR=%s", jl->cursor)), false);
    add_number(entry, "__REALTIME_TIMESTAMP", usec);
    if (sd_journal_get_monotonic_usec(jl->j, &usec, &boot) >= 0)
        add_number(entry, "__MONOTONIC_TIMESTAMP", usec);
    return read_fields(jl->j, entry);
}

/* It stands at the entry of the cursor. */
static bool is_at(sd_journal *j, const char *cursor)
{
    char here[JOURNALD_CURSOR_MAX];

    return get_cursor(j, here) >= 0 && entry_cursor_same(cursor, here);
}

int journal_next(struct journal *jl, struct entry *entry, nsec *wall, uint64_t *damaged, struct err *e)
{
    char last[JOURNALD_CURSOR_MAX];
    int rc;

    while ((rc = sd_journal_next(jl->j)) > 0) {
        bool passes = jl->passes;

        snprintf(last, sizeof(last), "%s", jl->cursor);
        jl->passes = false;
        if (passes && is_at(jl->j, last))
            continue;
        if (read_entry(jl, entry, wall) >= 0)
            return 1;
        ++*damaged;
    }
    return rc < 0 ? refuse(e, "the journal cannot be read", rc) : 0;
}

struct pollfd journal_pollfd(const struct journal *jl, nsec *until)
{
    uint64_t usec;
    int fd = sd_journal_get_fd(jl->j), events = sd_journal_get_events(jl->j);

    if (sd_journal_get_timeout(jl->j, &usec) > 0 && usec != UINT64_MAX && (nsec)(usec * NSEC_PER_USEC_U) < *until)
        *until = (nsec)(usec * NSEC_PER_USEC_U);
    return (struct pollfd){.fd = fd < 0 ? -1 : fd, .events = (short)(events < 0 ? 0 : events)};
}

bool journal_changed(struct journal *jl)
{
    return sd_journal_process(jl->j) == SD_JOURNAL_INVALIDATE;
}
