/* What running would need, looked at without starting. Nothing is created: a folder that is not there yet is fine when
 * its nearest parent can be written to. */
#include "pipeline/settings.h"

#include "pipeline/admin_listen.h"
#include "pipeline/base/limits.h"
#include "pipeline/base/mem.h"
#include "pipeline/stage.h"
#include "pipeline/transform_line.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

struct check {
    const struct settings *s;
    struct buf *out;
    size_t findings;
};

/* A line that does not fit any more still counts. */
static void finding(struct check *c, const struct err *e)
{
    char text[sizeof(e->msg) + sizeof(e->file) + 32];

    c->findings++;
    if (buf_printf(c->out, "%s\n", err_text(e, text, sizeof(text))) < 0)
        return;
}

/* --- data_dir ------------------------------------------------------------------------------------------------------
 */

/* Cuts `path` back to the part that is there. */
static void nearest_existing(char *path)
{
    while (faccessat(AT_FDCWD, path, F_OK, AT_EACCESS) < 0 && errno == ENOENT) {
        char *slash = strrchr(path, '/');

        if (!slash || slash == path) {
            path[slash ? 1 : 0] = '\0';
            return;
        }
        *slash = '\0';
    }
}

static int check_writable(const char *data_dir, struct err *e)
{
    char *there = mem_strdup(data_dir);
    struct stat st;
    int rc = -1;

    nearest_existing(there);
    if (stat(there, &st) < 0)
        err_errno(e, "data_dir: cannot look at %s", there);
    else if (!S_ISDIR(st.st_mode))
        err_set(e, ERR_CONFIG, "data_dir: %s is not a folder; choose another data_dir", there);
    else if (faccessat(AT_FDCWD, there, W_OK | X_OK, AT_EACCESS) < 0)
        err_errno(e, "data_dir: cannot write to %s (as user %u)", there, (unsigned)geteuid());
    else
        rc = 0;
    mem_free(there);
    return rc;
}

static int check_unlocked(const char *data_dir, struct err *e)
{
    char *file = mem_printf("%s/lock", data_dir);
    int fd = open(file, O_RDWR | O_CLOEXEC), rc = 0;

    mem_free(file);
    if (fd < 0)
        return errno == ENOENT || errno == ENOTDIR ? 0 : err_errno(e, "data_dir: cannot open %s/lock", data_dir);
    if (flock(fd, LOCK_EX | LOCK_NB) < 0)
        rc = err_set(e, ERR_CONFIG,
                     "data_dir: %s is in use by another sluice; that is fine if it is the one you are about to stop",
                     data_dir);
    close(fd);
    return rc;
}

static void check_data_dir(struct check *c)
{
    struct err e;

    if (check_writable(c->s->data_dir, &e) < 0 || check_unlocked(c->s->data_dir, &e) < 0)
        finding(c, &e);
}

/* --- addresses, memory ---------------------------------------------------------------------------------------------
 */

static void check_addresses(struct check *c)
{
    struct admin_socket admin;
    struct err e;

    if (c->s->api_used && api_check(&c->s->api, &e) < 0)
        finding(c, &e);
    if (!c->s->admin_listen)
        return;
    if (admin_listen(c->s->admin_listen, &admin, &e) < 0)
        finding(c, &e);
    else
        close(admin.fd);
}

/* What one holder takes at most must fit, or it would wait for ever. A quarter is for what comes in (engine.c). */
static void check_memory(struct check *c)
{
    uint64_t in = c->s->memory_limit / 4, out = c->s->memory_limit - in;
    uint64_t request = API_BODY_MAX_BYTES + PUT_BATCH_MAX_BYTES;
    struct err e;

    if (c->s->api_used && in < request) {
        err_set(&e, ERR_CONFIG,
                "limits.memory: one large request to the API can take %lluMiB, and a quarter of the limit is for what "
                "comes in: set %lluMiB or more",
                (unsigned long long)(request / MIB), (unsigned long long)(4 * request / MIB));
        finding(c, &e);
    }
    for (size_t i = 0; i < c->s->stream_count; i++) {
        const struct stream_settings *st = &c->s->streams[i];
        uint64_t needed = stage_memory(&(struct seal){.bytes = st->buffer_size});

        if (needed <= out)
            continue;
        err_at(&e, ERR_CONFIG, st->at,
               "stream `%s`: one delivery takes %lluMiB, more than limits.memory leaves for deliveries", st->name,
               (unsigned long long)((needed + MIB - 1) / MIB));
        finding(c, &e);
    }
}

/* --- streams -------------------------------------------------------------------------------------------------------
 */

/* One of the places a stream delivers to. */
struct place {
    const struct sink_ops *ops;
    const void *conf;
    bool backup;
};

static struct place destination_of(const struct stream_settings *st)
{
    return (struct place){.ops = st->sink, .conf = st->sink_conf};
}

static struct place backup_of(const struct stream_settings *st)
{
    return (struct place){.ops = st->backup, .conf = st->backup_conf, .backup = true};
}

/* As when running, but as nobody: no spool gives it an identity. */
static int open_place(const struct settings *s, const struct stream_settings *st, const struct place *p, void **state,
                      struct err *e)
{
    static const unsigned char nobody[16];
    const struct sink_env env = {
        .stream = st->name,
        .identity = nobody,
        .version = 1,
        .base_dir = s->base_dir,
        .tmp_dir = s->data_dir,
        .backup = p->backup,
    };

    return p->ops->open(state, p->conf, &env, e);
}

static int check_place(const struct settings *s, const struct stream_settings *st, const struct place *p, struct err *e)
{
    void *state = NULL;
    int rc;

    if (open_place(s, st, p, &state, e) < 0)
        return -1;
    rc = p->ops->check ? p->ops->check(state, e) : 0;
    p->ops->close(&state);
    return rc;
}

/* Loads what the transforms name: a script that does not load would keep it from running. */
static int check_transform(const struct settings *s, const struct stream_settings *st, struct err *e)
{
    struct transform_line *line;

    if (transform_line_open(&line, st, s->base_dir, e) < 0)
        return -1;
    transform_line_close(&line);
    return 0;
}

/* Says where, in the file and in words, before what. */
static void stream_finding(struct check *c, struct srcpos at, const char *stream, const char *part, const struct err *e)
{
    char text[sizeof(e->msg) + sizeof(e->file) + 32];
    struct err placed;

    err_at(&placed, e->code, at, "stream `%s`: %s: %s", stream, part, err_text(e, text, sizeof(text)));
    finding(c, &placed);
}

static void check_stream(struct check *c, const struct stream_settings *st)
{
    const struct place destination = destination_of(st), backup = backup_of(st);
    struct err e;

    for (size_t i = 0; i < st->input_count; i++) {
        const struct input_settings *in = &st->inputs[i];

        if (in->ops->check && in->ops->check(in->conf, c->s->base_dir, &e) < 0)
            stream_finding(c, in->at, st->name, in->ops->name, &e);
    }
    if (check_place(c->s, st, &destination, &e) < 0)
        stream_finding(c, st->at, st->name, st->sink->name, &e);
    if (check_transform(c->s, st, &e) < 0)
        stream_finding(c, st->at, st->name, "transform", &e);
    if (!st->backup)
        return;
    if (check_place(c->s, st, &backup, &e) < 0)
        stream_finding(c, st->at, st->name, "backup", &e);
}

size_t settings_check(const struct settings *s, struct buf *out)
{
    struct check c = {.s = s, .out = out};

    check_data_dir(&c);
    check_addresses(&c);
    check_memory(&c);
    for (size_t i = 0; i < s->stream_count; i++)
        check_stream(&c, &s->streams[i]);
    return c.findings;
}

static int describe_place(const struct settings *s, const struct stream_settings *st, const struct place *p,
                          struct buf *out)
{
    void *state = NULL;
    struct err e;

    if (open_place(s, st, p, &state, &e) < 0)
        return buf_add_str(out, p->ops->name);
    p->ops->describe(state, out);
    p->ops->close(&state);
    return 0;
}

int settings_describe(const struct settings *s, const struct stream_settings *st, struct buf *out)
{
    const struct place destination = destination_of(st), backup = backup_of(st);

    if (buf_printf(out, "%s: %s", st->name, st->api ? "api" : "") < 0)
        return -1;
    for (size_t i = 0; i < st->input_count; i++)
        if (buf_printf(out, "%s%s", i || st->api ? ", " : "", st->inputs[i].ops->name) < 0)
            return -1;
    if (buf_add_str(out, st->memory ? " -> (in memory) -> " : " -> ") < 0 ||
        describe_place(s, st, &destination, out) < 0)
        return -1;
    if (!st->backup)
        return 0;
    return buf_add_str(out, st->backup_all ? ", every source record also to " : ", what fails to ") < 0
               ? -1
               : describe_place(s, st, &backup, out);
}
