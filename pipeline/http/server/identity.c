/* Files are read on a thread of their own (base/aside_reader.h); all are read before any is looked at, since a key and its certificate are
 * replaced one after the other. */
#include "pipeline/http/server/identity.h"

#include "pipeline/base/aside_reader.h"
#include "pipeline/base/certificates.h"
#include "pipeline/base/io.h"
#include "pipeline/base/limits.h"
#include "pipeline/base/log.h"
#include "pipeline/base/mem.h"
#include "pipeline/base/thread.h"
#include "pipeline/http/trust/pem_file.h"

#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#define ALL_SEE_KEY "let its owner alone read it (chmod 600), or a group (chmod 640)"
#define RENEW_HINT  "put a new one in its place; it is read within seconds, without a restart"
#define STAYS_HINT  "put the files right; they are read again within seconds. What was read before serves on"

static const char *const NAMES[IDENTITY_FILES] = {"cert_file", "key_file", "client_ca_file"};

struct identity_files {
    const struct identity_ops *ops;
    const char *name;
    char option[IDENTITY_FILES][40]; /* "api.tls.key_file" */
    char *path[IDENTITY_FILES];
    atomic_uint at; /* the file that is being read */

    struct aside_reader reader; /* its lock guards the rest */
    struct identity *known;     /* NULL: not read, or it cannot be */
    struct file_stamp stamps[IDENTITY_FILES];
    struct err why; /* the last reading failed: this is why; ERR_NONE: it did not */
    bool renewed;   /* and nobody has said so yet */
    bool reported;  /* that */
    struct log_limit age, hangs;
};

static void read_aside(struct aside_reader *r);
static void end(struct aside_reader *r);

static const struct aside_reader_ops READER = {.thread = "listener tls", .read = read_aside, .end = end};

struct identity_files *identity_files_new(const struct identity_ops *ops, const char *name,
                                          const char *const paths[IDENTITY_FILES])
{
    struct identity_files *t = mem_alloc(sizeof(*t));

    aside_reader_init(&t->reader, &READER);
    t->ops = ops;
    t->name = name;
    for (size_t i = 0; i < IDENTITY_FILES; i++) {
        snprintf(t->option[i], sizeof(t->option[i]), "%s.tls.%s", name, NAMES[i]);
        t->path[i] = paths[i] ? mem_strdup(paths[i]) : NULL;
    }
    return t;
}

void identity_leave(struct identity *id)
{
    if (!id || --id->users > 0)
        return;
    if (id->credentials)
        id->ops->release(id->credentials);
    mem_free(id);
}

static void end(struct aside_reader *r)
{
    struct identity_files *t = CONTAINER_OF(r, struct identity_files, reader);

    identity_leave(t->known);
    for (size_t i = 0; i < IDENTITY_FILES; i++)
        mem_free(t->path[i]);
    mem_free(t);
}

void identity_files_free(struct identity_files **t)
{
    if (*t)
        aside_reader_leave(&(*t)->reader);
    *t = NULL;
}

struct identity *identity_files_keep(struct identity_files *t)
{
    struct identity *id;

    pthread_mutex_lock(&t->reader.lock);
    id = t->known;
    id->users++;
    pthread_mutex_unlock(&t->reader.lock);
    return id;
}

/* --- reading ------------------------------------------------------------------------------------------------------- */

/* Each with a message of its own, before all of them go into one call. */
static int check(enum identity_file which, const struct buf text[IDENTITY_FILES], struct identity *id, struct err *e)
{
    struct slice pem = buf_slice(&text[which]);
    struct authorities *a;
    int rc;

    switch (which) {
    case IDENTITY_CERT:
        return certificate_times(pem, &id->from, &id->until, e);
    case IDENTITY_KEY:
        return certificate_check_key(buf_slice(&text[IDENTITY_CERT]), pem, NULL, e);
    default:
        a = authorities_new();
        rc = authorities_add(a, pem, e);
        authorities_leave(a);
        return rc;
    }
}

static int make(const struct identity_files *t, struct identity *id, const struct buf text[IDENTITY_FILES],
                struct err *e)
{
    id->asks = text[IDENTITY_CLIENT_CA].n > 0;
    id->credentials = t->ops->make(text, e);
    return id->credentials ? 0 : err_wrap(e, "%s", t->name);
}

static struct identity *read_files(struct identity_files *t, struct err *e)
{
    struct identity *id = mem_alloc(sizeof(*id));
    struct buf text[IDENTITY_FILES];
    int rc = 0;

    id->users = 1;
    id->ops = t->ops;
    for (size_t i = 0; i < IDENTITY_FILES; i++)
        buf_init(&text[i], TLS_FILE_MAX);
    for (unsigned i = 0; i < IDENTITY_FILES && rc == 0; i++) {
        atomic_store(&t->at, i);
        if (t->path[i])
            rc = pem_file_read(t->option[i], t->path[i], &text[i], e);
    }
    for (enum identity_file i = 0; i < IDENTITY_FILES && rc == 0; i++)
        if (t->path[i] && check(i, text, id, e) < 0)
            rc = err_wrap(e, "%s: `%s`", t->option[i], t->path[i]);
    if (rc == 0)
        rc = make(t, id, text, e);
    for (size_t i = 0; i < IDENTITY_FILES; i++) {
        if (text[i].p)
            explicit_bzero(text[i].p, text[i].cap);
        buf_release(&text[i]);
    }
    if (rc == 0)
        return id;
    identity_leave(id);
    return NULL;
}

/* After a failure they are read again even if they look the same: somebody may have changed who may read them. */
static void read_aside(struct aside_reader *r)
{
    struct identity_files *t = CONTAINER_OF(r, struct identity_files, reader);
    struct err why = {.code = ERR_NONE};
    struct file_stamp stamps[IDENTITY_FILES];
    struct identity *id, *old;
    bool same;

    for (unsigned i = 0; i < IDENTITY_FILES; i++) {
        atomic_store(&t->at, i);
        stamps[i] = t->path[i] ? file_stamp_of(t->path[i]) : (struct file_stamp){0};
    }
    pthread_mutex_lock(&r->lock);
    same = t->known && t->why.code == ERR_NONE;
    for (size_t i = 0; same && i < IDENTITY_FILES; i++)
        same = file_stamp_same(&stamps[i], &t->stamps[i]);
    pthread_mutex_unlock(&r->lock);
    if (same)
        return;
    id = read_files(t, &why);
    pthread_mutex_lock(&r->lock);
    t->reported = t->reported && why.code != ERR_NONE && strcmp(why.msg, t->why.msg) == 0;
    t->why = why;
    memcpy(t->stamps, stamps, sizeof(stamps));
    old = t->known;
    if (id) {
        t->known = id;
        t->renewed = old != NULL;
        t->age = (struct log_limit){0};
    }
    pthread_mutex_unlock(&r->lock);
    if (id)
        identity_leave(old);
}

int identity_files_read(struct identity_files *t, struct err *e)
{
    enum aside_state state;
    int rc = 0;

    pthread_mutex_lock(&t->reader.lock);
    while ((state = aside_reader_poll(&t->reader, clock_mono())) == ASIDE_NOT_YET) {
        pthread_mutex_unlock(&t->reader.lock);
        poll(NULL, 0, 1);
        pthread_mutex_lock(&t->reader.lock);
    }
    if (state == ASIDE_NO_THREAD) {
        rc = err_set(e, ERR_IO, "%s.tls: no thread can be started to read its files: " THREADS_HINT, t->name);
    } else if (state == ASIDE_HANGS) {
        unsigned at = atomic_load(&t->at);

        rc = err_set(e, ERR_IO,
                     "%s: cannot read `%s`: its disk does not answer; look at that disk, or name another file",
                     t->option[at], t->path[at] ? t->path[at] : "");
    } else if (!t->known) {
        *e = t->why;
        t->reported = true;
        rc = -1;
    }
    pthread_mutex_unlock(&t->reader.lock);
    return rc;
}

/* --- what should be known ------------------------------------------------------------------------------------------ */

static const char *age_of(const struct identity *id, nsec wall_now)
{
    return wall_now >= id->until                            ? "the certificate has expired: clients refuse it"
           : wall_now < id->from                            ? "the certificate is not valid yet: clients refuse it"
           : id->until - wall_now < SERVER_TLS_EXPIRES_SOON ? "the certificate expires soon"
                                                            : NULL;
}

void identity_files_warn(struct identity_files *t, nsec wall_now,
                         void (*say)(void *ctx, const char *cause, const char *hint), void *ctx)
{
    const char *age = NULL;
    struct stat st;
    char text[512];

    pthread_mutex_lock(&t->reader.lock);
    if (t->known)
        age = age_of(t->known, wall_now);
    pthread_mutex_unlock(&t->reader.lock);
    if (age) {
        snprintf(text, sizeof(text), "%s: `%s`: %s", t->option[IDENTITY_CERT], t->path[IDENTITY_CERT], age);
        say(ctx, text, RENEW_HINT);
    }
    if (stat(t->path[IDENTITY_KEY], &st) == 0 && (st.st_mode & S_IRWXO)) {
        snprintf(text, sizeof(text), "%s: `%s`: everybody on this machine may %s it", t->option[IDENTITY_KEY],
                 t->path[IDENTITY_KEY], st.st_mode & S_IROTH ? "read" : "change");
        say(ctx, text, ALL_SEE_KEY);
    }
}

/* Once a day, and when new files have been read. */
static void tell_age(struct identity_files *t, nsec mono_now, nsec wall_now)
{
    const char *age = t->known ? age_of(t->known, wall_now) : NULL;

    if (age && log_due(&t->age, mono_now, SERVER_TLS_AGE_EVERY))
        log_warn("the listener's certificate", KS("listener", t->name), KS("cause", age),
                 KS("path", t->path[IDENTITY_CERT]), KS("hint", RENEW_HINT));
}

void identity_files_look(struct identity_files *t, nsec mono_now, nsec wall_now)
{
    struct err why = {.code = ERR_NONE};
    bool hangs, renewed;

    pthread_mutex_lock(&t->reader.lock);
    hangs =
        aside_reader_poll(&t->reader, mono_now) == ASIDE_HANGS && log_due(&t->hangs, mono_now, SERVER_TLS_SAYS_EVERY);
    if (t->why.code != ERR_NONE && !t->reported) {
        why = t->why;
        t->reported = true;
    }
    renewed = t->renewed;
    t->renewed = false;
    tell_age(t, mono_now, wall_now);
    pthread_mutex_unlock(&t->reader.lock);
    if (hangs)
        log_warn("the files of the listener's certificate cannot be looked at: their disk does not answer",
                 KS("listener", t->name), KS("path", t->path[atomic_load(&t->at)] ? t->path[atomic_load(&t->at)] : ""),
                 KS("hint", "look at that disk; what was read before serves on"));
    if (renewed)
        log_info("the listener's certificate was read again: new connections have it", KS("listener", t->name),
                 KS("path", t->path[IDENTITY_CERT]));
    if (why.code != ERR_NONE)
        log_error("the listener's new certificate cannot be used", KS("listener", t->name), KE("cause", &why),
                  KS("hint", STAYS_HINT));
}
