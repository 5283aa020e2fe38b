/* The files are read on a thread of their own for who may not wait, and again when their stamps change. What was read is one value
 * (tls_files.h) that requests keep; while a disk hangs, the one that is known serves on. */
#include "pipeline/http/tls.h"

#include "pipeline/base/aside_reader.h"
#include "pipeline/base/err_kept.h"
#include "pipeline/base/mem.h"
#include "pipeline/base/thread.h"
#include "pipeline/http/proxy.h"
#include "pipeline/http/tls_files.h"

#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

const struct cfg_field tls_fields[] = {
    {.name = "verify",
     .type = CFG_BOOL,
     .offset = offsetof(struct tls_conf, verify),
     .def = "true",
     .help = "false trusts any certificate: whoever is on the network can read and change the data"},
    {.name = "ca_file",
     .type = CFG_STRING,
     .offset = offsetof(struct tls_conf, ca_file),
     .help = "PEM file of the certificate authorities to trust instead of the system's"},
    {.name = "cert_file",
     .type = CFG_STRING,
     .offset = offsetof(struct tls_conf, cert_file),
     .help = "PEM file of a client certificate"},
    {.name = "key_file",
     .type = CFG_STRING,
     .offset = offsetof(struct tls_conf, key_file),
     .help = "PEM file of the client certificate's key"},
    {.name = "key_password",
     .type = CFG_STRING,
     .offset = offsetof(struct tls_conf, key_password),
     .secret = true,
     .help = "password of key_file"},
    {.name = NULL},
};

struct tls_options {
    struct tls_paths files;
    char *path[TLS_FILES], *key_password; /* what `files` points to */
    atomic_uint at;                       /* the file that is being read */
    struct system_trust *system;

    struct aside_reader reader; /* its lock guards the rest */
    struct http_tls *known;     /* NULL: not read, or it cannot be */
    struct file_stamp stamps[TLS_FILES];
    struct err *why; /* not known: this is why (err_kept.h) */
};

static char *resolve(const char *path, const char *base_dir)
{
    if (!path || !*path)
        return NULL;
    return path[0] == '/' || !base_dir ? mem_strdup(path) : mem_printf("%s/%s", base_dir, path);
}

static void read_aside(struct aside_reader *r);
static void end(struct aside_reader *r);

static const struct aside_reader_ops READER = {.thread = "tls files", .read = read_aside, .end = end};

struct tls_options *tls_options_new(const struct tls_conf *conf, const char *base_dir)
{
    struct tls_options *t = mem_alloc(sizeof(*t));
    const char *const path[TLS_FILES] = {conf->ca_file, conf->cert_file, conf->key_file};

    aside_reader_init(&t->reader, &READER);
    t->system = system_trust_keep();
    for (size_t i = 0; i < TLS_FILES; i++)
        t->files.path[i] = t->path[i] = resolve(path[i], base_dir);
    t->files.insecure = !conf->verify;
    t->files.key_password = t->key_password = conf->key_password ? mem_strdup(conf->key_password) : NULL;
    return t;
}

static void end(struct aside_reader *r)
{
    struct tls_options *t = CONTAINER_OF(r, struct tls_options, reader);

    http_tls_leave(t->known);
    system_trust_leave(&t->system);
    for (size_t i = 0; i < TLS_FILES; i++)
        mem_free(t->path[i]);
    mem_free(t->key_password);
    err_forget(&t->why);
    mem_free(t);
}

void tls_options_free(struct tls_options **t)
{
    if (*t)
        aside_reader_leave(&(*t)->reader);
    *t = NULL;
}

/* --- are they there? --------------------------------------------------------------------------------------------- */

/* Number 0: do the options go together? Then a file each. */
static int check(const struct tls_options *t, size_t number, struct err *e)
{
    const char *cert = t->path[TLS_CERT_FILE], *path;
    struct stat st;

    if (number == 0)
        return !cert == !t->path[TLS_KEY_FILE]
                   ? 0
                   : err_set(e, ERR_CONFIG, "tls.%s: goes together with %s, which is not set",
                             cert ? "cert_file" : "key_file", cert ? "key_file" : "cert_file");
    path = t->path[number - 1];
    if (path && (access(path, R_OK) < 0 || stat(path, &st) < 0))
        return err_errno(e, "%s: cannot read `%s`", tls_file_option((enum tls_file)(number - 1)), path);
    if (path && !S_ISREG(st.st_mode))
        return err_set(e, ERR_CONFIG, "%s: `%s` is not a file", tls_file_option((enum tls_file)(number - 1)), path);
    return 0;
}

int tls_options_check(const struct tls_options *t, struct err *e)
{
    for (size_t i = 0; i <= TLS_FILES; i++)
        if (check(t, i, e) < 0)
            return -1;
    return 0;
}

void tls_options_check_all(const struct tls_conf *conf, const char *base_dir, const struct cfg_options *o)
{
    struct tls_options *t = tls_options_new(conf, base_dir);
    struct err e;

    for (size_t i = 0; i <= TLS_FILES; i++)
        if (check(t, i, &e) < 0)
            cfg_options_refuse(o, &e);
    tls_options_free(&t);
}

/* --- what they say ----------------------------------------------------------------------------------------------- */

/* Reads them when they differ from what is known. */
static void look(struct tls_options *t)
{
    struct http_tls *tls = NULL, *old = NULL;
    struct file_stamp stamps[TLS_FILES];
    struct err why = {.code = ERR_NONE};
    bool same;

    tls_paths_stamp(&t->files, &t->at, stamps);
    pthread_mutex_lock(&t->reader.lock);
    same = t->known != NULL;
    for (size_t i = 0; same && i < TLS_FILES; i++)
        same = file_stamp_same(&stamps[i], &t->stamps[i]);
    pthread_mutex_unlock(&t->reader.lock);
    if (same)
        return;
    if (http_tls_read(&tls, &t->files, &t->at, &why) < 0)
        tls = NULL;
    pthread_mutex_lock(&t->reader.lock);
    old = t->known; /* large: left without the lock */
    t->known = tls;
    err_keep(&t->why, &why);
    memcpy(t->stamps, stamps, sizeof(t->stamps));
    pthread_mutex_unlock(&t->reader.lock);
    http_tls_leave(old);
}

static void read_aside(struct aside_reader *r)
{
    look(CONTAINER_OF(r, struct tls_options, reader));
}

/* Locks: t->reader.lock held. */
static int give_known(struct tls_options *t, struct http_request *rq, struct err *e)
{
    if (!t->known) {
        *e = err_kept(t->why);
        return -1;
    }
    rq->tls = http_tls_keep(t->known);
    return 0;
}

static bool is_https(const char *url)
{
    return strncasecmp(url, "https:", strlen("https:")) == 0;
}

/* Whose files a request waits for. */
struct need {
    bool own, system;
};

static struct need need_of(const struct tls_options *t, const struct http_request *rq)
{
    bool own = is_https(rq->url);
    struct proxy proxy;
    bool through = proxy_find(rq->proxy, rq->url, &proxy) && proxy_is_https(&proxy);

    explicit_bzero(&proxy, sizeof(proxy));
    return (struct need){own, through || (own && !t->files.insecure && !t->path[TLS_CA_FILE])};
}

/* All or nothing: a request that has to wait comes again. */
static int given(int rc, struct http_request *rq)
{
    if (rc == 0)
        return 0;
    http_tls_leave(rq->tls);
    authorities_leave(rq->system);
    rq->tls = NULL;
    rq->system = NULL;
    return rc;
}

static int get_own(struct tls_options *t, struct http_request *rq, struct err *e)
{
    int rc;

    look(t);
    pthread_mutex_lock(&t->reader.lock);
    rc = give_known(t, rq, e);
    pthread_mutex_unlock(&t->reader.lock);
    return rc;
}

int tls_options_get(struct tls_options *t, struct http_request *rq, struct err *e)
{
    struct need need = need_of(t, rq);
    int rc = 0;

    if (need.own)
        rc = get_own(t, rq, e);
    if (rc == 0 && need.system)
        rc = system_trust_get(t->system, &rq->system, e);
    return given(rc, rq);
}

/* Locks: t->reader.lock held. */
static int give_polled(struct tls_options *t, nsec now, struct http_request *rq, struct err *e)
{
    enum aside_state state = aside_reader_poll(&t->reader, now);
    enum tls_file at = atomic_load(&t->at);

    if (state == ASIDE_NOT_YET)
        return TLS_NOT_YET;
    if (state == ASIDE_NO_THREAD && !t->known)
        return err_set(e, ERR_IO, "no thread can be started to read the files of `tls`: " THREADS_HINT);
    if (state == ASIDE_HANGS && !t->known)
        return err_set(
            e, ERR_IO,
            "%s: cannot read `%s`: its disk does not answer; look at that disk, or name another file in `%s`",
            tls_file_option(at), t->path[at] ? t->path[at] : "", tls_file_option(at));
    return give_known(t, rq, e);
}

int tls_options_poll(struct tls_options *t, nsec now, struct http_request *rq, struct err *e)
{
    struct need need = need_of(t, rq);
    bool files = t->path[TLS_CA_FILE] || t->path[TLS_CERT_FILE] || t->path[TLS_KEY_FILE];
    int rc = 0;

    if (need.own && !files) { /* nothing to wait for */
        rc = get_own(t, rq, e);
    } else if (need.own) {
        pthread_mutex_lock(&t->reader.lock);
        rc = give_polled(t, now, rq, e);
        pthread_mutex_unlock(&t->reader.lock);
    }
    if (rc == 0 && need.system)
        rc = system_trust_poll(t->system, now, &rq->system, e);
    return given(rc, rq);
}
