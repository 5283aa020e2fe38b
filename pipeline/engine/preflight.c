/* The same functions that a start uses, as far as they leave nothing behind: sinks are opened for nobody and
 * closed, addresses are bound and released, the lock of data_dir is taken and given back. */
#include "pipeline/engine/preflight.h"

#include "config/address.h"
#include "pipeline/base/io.h"
#include "pipeline/base/limits.h"
#include "pipeline/base/log.h"
#include "pipeline/base/mem.h"
#include "pipeline/base/thread.h"
#include "pipeline/engine/data_dir.h"
#include "pipeline/engine/orphans.h"
#include "pipeline/engine/process_limits.h"
#include "pipeline/http/agent/agent.h"
#include "pipeline/http/server/listen.h"
#include "pipeline/http/server/server_tls.h"
#include "pipeline/settings/settings.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct check {
    const struct settings *s;
    const struct settings *running; /* NULL: nothing runs */
    const struct engine_status *es; /* of what runs; NULL: its listeners are those of its settings */
    struct cfg_errors *found;
};

static void finding(struct check *c, struct srcpos at, const struct err *e)
{
    char text[sizeof(e->msg) + sizeof(e->file) + 32];

    cfg_error(c->found, at, "%s", err_text(e, text, sizeof(text)));
}

/* --- data_dir ------------------------------------------------------------------------------------------------------
 */

static int check_writable(const char *data_dir, struct err *e)
{
    char *there = mem_strdup(data_dir), *slash;
    struct stat st;
    int rc = -1;

    while (faccessat(AT_FDCWD, there, F_OK, AT_EACCESS) < 0 && errno == ENOENT) { /* the part that is there */
        slash = strrchr(there, '/');
        if (!slash || slash == there) {
            there[slash ? 1 : 0] = '\0';
            break;
        }
        *slash = '\0';
    }
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
    int fd, rc = data_dir_lock(data_dir, true, &fd, e);

    if (rc < 0 && errno == EWOULDBLOCK)
        err_set(e, ERR_CONFIG,
                "data_dir: %s is in use by another sluice; that is fine if it is the one you are about to stop",
                data_dir);
    if (fd >= 0)
        close(fd);
    return rc;
}

static int check_folder(const char *data_dir, const char *name, struct err *e)
{
    char *path = mem_printf("%s/%s", data_dir, name);
    int rc = io_check_folders(path, 1, e);

    mem_free(path);
    return rc < 0 ? err_wrap(e, "data_dir") : 0;
}

static void check_data_dir(struct check *c)
{
    const char *path = c->s->data_dir;
    bool ours = c->running && strcmp(c->running->data_dir, path) == 0;
    struct err e;

    if (check_writable(path, &e) < 0 || (!ours && check_unlocked(path, &e) < 0) || check_folder(path, "tmp", &e) < 0 ||
        check_folder(path, "streams", &e) < 0)
        finding(c, settings_place(c->s, "data_dir", NULL), &e);
}

/* The stream's own folder in data_dir, and the spool in it. */
static void check_spool_folder(struct check *c, const struct stream_settings *st)
{
    char *path = mem_printf("%s/streams/%s/spool", c->s->data_dir, st->name);
    struct err e;

    if (!st->memory && io_check_folders(path, 2, &e) < 0) {
        err_wrap(&e, "stream `%s`", st->name);
        finding(c, st->at, &e);
    }
    mem_free(path);
}

static void check_orphans(struct check *c)
{
    struct orphans found;
    char text[512];

    orphans_find(c->s, &found);
    for (size_t i = 0; i < found.count; i++) {
        orphan_describe(&found.list[i], text, sizeof(text));
        cfg_warning(c->found, settings_place(c->s, "streams", NULL),
                    "stream `%s` is not in the configuration and %s; %s", found.list[i].name, text, ORPHAN_HINT);
    }
    orphans_release(&found);
}

/* --- addresses ---------------------------------------------------------------------------------------------
 */

static bool is_same(const char *a, const char *b)
{
    return a && b && strcmp(a, b) == 0;
}

/* Can it be listened on now? */
static void check_free(struct check *c, const char *server, const char *listen)
{
    struct http_socket s;
    struct err e;

    if (http_listen(listen, server, &s, &e) < 0)
        finding(c, settings_place(c->s, server, "listen"), &e);
    else
        close(s.fd);
}

struct place {
    struct check *c;
    struct srcpos at;
};

static void warn_of_tls(void *ctx, const char *cause, const char *hint)
{
    const struct place *p = ctx;

    cfg_warning(p->c->found, p->at, "%s; %s", cause, hint);
}

/* Would a listener start with these certificates? */
static void check_tls(struct check *c, const char *server, const struct server_tls_conf *conf)
{
    struct place place = {c, settings_place(c->s, server, "tls")};
    struct server_tls *t;
    struct err e;

    if (!server_tls_set(conf))
        return;
    t = server_tls_new(conf, c->s->base_dir, server);
    if (server_tls_read(t, &e) < 0)
        finding(c, place.at, &e);
    else
        server_tls_warn(t, clock_wall(), warn_of_tls, &place);
    server_tls_free(&t);
}

static bool listens_already(const struct check *c, const struct listener_ops *l)
{
    const struct listener_ops *its;

    if (!c->running || c->es)
        return c->es && engine_listens(c->es, l->name);
    for (size_t i = 0; (its = settings_listener(c->running, i)); i++)
        if (its == l)
            return true;
    return false;
}

/* Others post to an input that runs at the same address: the listener takes its place beside it. */
static bool is_of_an_input(const struct settings *running, const char *listen)
{
    char at[INPUT_ROUTE_MAX], route[INPUT_ROUTE_MAX];
    size_t n;

    address_write(listen, at, sizeof(at));
    n = strlen(at);
    for (size_t i = 0; i < running->stream_count; i++)
        for (size_t k = 0; k < running->streams[i].input_count; k++) {
            const struct input_settings *in = &running->streams[i].inputs[k];

            if (!in->ops->route)
                continue;
            in->ops->route(in->conf, running->streams[i].name, route, sizeof(route));
            if (strncmp(route, at, n) == 0 && route[n] == '/')
                return true;
        }
    return false;
}

static void check_listener(struct check *c, const struct listener_ops *l)
{
    const struct listener_place place = l->section->place(settings_section(c->s, l));
    bool ours;

    if (listens_already(c, l))
        ours = is_same(l->section->place(settings_section(c->running, l)).listen, place.listen);
    else
        ours = c->running && is_of_an_input(c->running, place.listen);
    if (!ours)
        check_free(c, l->name, place.listen);
    check_tls(c, l->name, place.tls);
}

static void check_addresses(struct check *c)
{
    const struct listener_ops *l;

    for (size_t i = 0; (l = settings_listener(c->s, i)); i++)
        check_listener(c, l);
    if (c->s->http_listen && !c->running) /* a reload has it already (reload_conf.prepare) */
        check_free(c, "admin", c->s->http_listen);
    if (c->s->http_listen)
        check_tls(c, "admin", &c->s->admin_tls);
}

/* --- the process ----- */

static void check_process(struct check *c)
{
    struct err e;

    if (!c->running && process_check_descriptors(c->s, false, &e) < 0)
        finding(c, settings_place(c->s, "streams", NULL), &e);
    if (process_check_stack(&e) < 0)
        finding(c, settings_place(c->s, "streams", NULL), &e);
    if (process_check_memory(c->s, &e) < 0)
        finding(c, settings_place(c->s, "limits", "memory"), &e);
    if (process_check_files(c->s, &e) < 0)
        finding(c, settings_place(c->s, "data_dir", NULL), &e);
}

/* --- streams -------------------------------------------------------------------------------------------------------
 */

/* Is there what it needs to deliver: keys, a folder that can be written to? */
static void check_sink(struct check *c, const struct stream_settings *st, const struct settings_sink *sink)
{
    void *state = NULL;
    struct err e;

    if (settings_sink_open(c->s, st, sink, &state, &e) < 0) {
        finding(c, sink->from.at, &e);
        return;
    }
    if (sink->ops->check && sink->ops->check(state, &e) < 0) {
        err_wrap(&e, "stream `%s`: %s", st->name, sink->backup ? "backup" : sink->ops->name);
        finding(c, sink->from.at, &e);
    }
    sink->ops->close(&state);
}

/* --- what inputs would stumble over -------------------------------------------------------------------------------- */

/* Looking at files can take for ever, when their disk does not answer. Then it is said what is waited for. */
struct looking {
    const char *stream, *input;
    pthread_mutex_t lock;
    pthread_cond_t ended;
    bool done; /* guarded by lock */
};

static void *say_when_it_takes_long(void *arg)
{
    struct looking *l = arg;
    struct timespec until = clock_timespec(clock_mono() + PREFLIGHT_LOOK_LONG);
    int rc = 0;

    pthread_mutex_lock(&l->lock);
    while (!l->done && rc == 0)
        rc = pthread_cond_timedwait(&l->ended, &l->lock, &until);
    if (!l->done)
        log_warn("still looking at the files of an input", KS("stream", l->stream), KS("input", l->input),
                 KS("hint",
                    "there are very many of them, or their disk does not answer: look at it, or at the server that "
                    "it is mounted from; the stream would wait for it, the others would not"));
    pthread_mutex_unlock(&l->lock);
    return NULL;
}

static void look(struct check *c, const struct stream_settings *st, const struct input_settings *in)
{
    const struct cfg_options o = {.errs = c->found, .node = in->from.node, .at = in->from.at};
    struct looking l = {.stream = st->name, .input = in->ops->name, .lock = PTHREAD_MUTEX_INITIALIZER};
    pthread_t thread;
    bool watched;
    struct err e;

    thread_cond_init(&l.ended);
    watched = thread_start(&thread, say_when_it_takes_long, &l, "a thread", &e) == 0; /* else nobody says it */
    in->ops->look(in->conf, c->s->base_dir, &o);
    pthread_mutex_lock(&l.lock);
    l.done = true;
    pthread_cond_signal(&l.ended);
    pthread_mutex_unlock(&l.lock);
    if (watched)
        pthread_join(thread, NULL);
    pthread_cond_destroy(&l.ended);
    pthread_mutex_destroy(&l.lock);
}

static void check_input(struct check *c, const struct stream_settings *st, const struct input_settings *in)
{
    struct err e;

    if (in->ops->look)
        look(c, st, in);
    if (in->ops->check && in->ops->check(in->conf, c->s->base_dir, &e) < 0) {
        err_wrap(&e, "stream `%s`: %s", st->name, in->ops->name);
        finding(c, in->from.at, &e);
    }
}

static void check_stream(struct check *c, const struct stream_settings *st)
{
    check_spool_folder(c, st);
    for (size_t i = 0; i < st->input_count; i++)
        check_input(c, st, &st->inputs[i]);
    for (size_t i = 0; i < settings_outlet_count(st); i++) {
        const struct stream_settings *own = settings_outlet(st, i);
        const struct settings_sink destination = settings_destination(own), backup = settings_backup(own);

        check_sink(c, own, &destination);
        if (backup.ops)
            check_sink(c, own, &backup);
    }
}

void preflight_check(const struct settings *s, const struct settings *running, struct cfg_errors *found)
{
    struct check c = {.s = s, .running = running, .found = found};

    check_process(&c);
    check_data_dir(&c);
    if (!running) /* its spools are being written */
        check_orphans(&c);
    check_addresses(&c);
    for (size_t i = 0; i < s->stream_count; i++)
        check_stream(&c, &s->streams[i]);
}

void preflight_check_changes(const struct settings *s, const struct settings *running, const struct engine_status *es,
                             const struct settings_diff *d, struct cfg_errors *found)
{
    struct check c = {.s = s, .running = running, .es = es, .found = found};

    check_process(&c);
    check_addresses(&c);
    for (size_t i = 0; i < d->count; i++)
        if (d->streams[i].now && d->streams[i].change != SETTINGS_SAME)
            check_stream(&c, d->streams[i].now);
}

/* --- sources --------------------------------------------------------------------------------------------------------- */

struct probe {
    const struct stream_settings *stream;
    const struct input_settings *input;
    bool failed;
    struct err e;
};

struct probing {
    const struct settings *s;
    struct http_agent *agent;
    struct probe *list;
    size_t count;
    atomic_size_t next;
};

static void *probe_some(void *arg)
{
    struct probing *all = arg;
    size_t i;

    while ((i = atomic_fetch_add(&all->next, 1)) < all->count) {
        struct probe *p = &all->list[i];
        const struct input_probe how = {
            .base_dir = all->s->base_dir, .agent = all->agent, .until = clock_mono() + PROBE_TIME};

        p->failed = p->input->ops->probe(p->input->conf, &how, &p->e) < 0;
    }
    return NULL;
}

static void probe_all(struct probing *all, struct err *e)
{
    pthread_t threads[PROBES_MAX];
    size_t n = 0;

    while (n < PROBES_MAX && n + 1 < all->count && thread_start(&threads[n], probe_some, all, "a thread", e) == 0)
        n++;
    probe_some(all);
    while (n > 0)
        pthread_join(threads[--n], NULL);
}

void preflight_probe(const struct settings *s, struct cfg_errors *found)
{
    struct probing all = {.s = s};
    struct err e;

    for (size_t i = 0; i < s->stream_count; i++)
        for (size_t k = 0; k < s->streams[i].input_count; k++) {
            if (!s->streams[i].inputs[k].ops->probe)
                continue;
            all.list = mem_grow(all.list, all.count + 1, sizeof(*all.list));
            all.list[all.count++] = (struct probe){.stream = &s->streams[i], .input = &s->streams[i].inputs[k]};
        }
    if (all.count == 0)
        return;
    all.agent = http_agent_new(NULL);
    if (http_agent_use(all.agent, &e) < 0)
        cfg_warning(found, settings_place(s, "streams", NULL), "inputs were not tried: %s", e.msg);
    else
        probe_all(&all, &e);
    for (size_t i = 0; i < all.count; i++)
        if (all.list[i].failed)
            cfg_warning(found, all.list[i].input->from.at, "stream `%s`: %s: %s", all.list[i].stream->name,
                        all.list[i].input->ops->name, all.list[i].e.msg);
    http_agent_free(&all.agent);
    mem_free(all.list);
}

static int describe_place(const struct settings *s, const struct stream_settings *st, const struct settings_sink *p,
                          struct buf *out)
{
    char keys[256] = "";
    void *state = NULL;
    struct err e;

    if (settings_sink_open(s, st, p, &state, &e) < 0)
        return buf_add_str(out, p->ops->name);
    p->ops->describe(state, out);
    if (p->ops->keys_from)
        p->ops->keys_from(state, keys, sizeof(keys));
    p->ops->close(&state);
    return *keys ? buf_printf(out, ", keys of %s", keys) : 0;
}

static int describe_outlet(const struct settings *s, const struct stream_settings *st, struct buf *out)
{
    const struct settings_sink destination = settings_destination(st), backup = settings_backup(st);

    if (describe_place(s, st, &destination, out) < 0)
        return -1;
    if (!st->backup)
        return 0;
    return buf_add_str(out, st->backup_all ? ", every source record also to " : ", what fails to ") < 0
               ? -1
               : describe_place(s, st, &backup, out);
}

int preflight_describe(const struct settings *s, const struct stream_settings *st, struct buf *out)
{
    if (buf_printf(out, "%s: ", st->name) < 0)
        return -1;
    for (size_t i = 0; i < st->input_count; i++)
        if (buf_printf(out, "%s%s", i ? ", " : "", st->inputs[i].ops->name) < 0)
            return -1;
    if (buf_add_str(out, st->memory ? " -> (in memory) -> " : " -> ") < 0)
        return -1;
    for (size_t i = 0; i < settings_outlet_count(st); i++)
        if ((i > 0 && buf_add_str(out, "; and ") < 0) || describe_outlet(s, settings_outlet(st, i), out) < 0)
            return -1;
    return 0;
}
