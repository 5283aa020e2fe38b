/* libmicrohttpd makes a GnuTLS session for each connection and moves it along; what the session is made with is put into it here, before
 * its first byte. So each connection has the files of its time: one value that does not change, counted by those who have it. The library's
 * own credentials are empty, and never used.
 *
 * The bytes of a client come through pull(), which looks at the first one: a TLS record of a handshake begins with 22, a request in plain
 * HTTP with a letter. */
#include "pipeline/http/server/server_tls.h"

#include "pipeline/base/aside_reader.h"
#include "pipeline/base/buf.h"
#include "pipeline/base/certificates.h"
#include "pipeline/base/io.h"
#include "pipeline/base/limits.h"
#include "pipeline/base/log.h"
#include "pipeline/base/mem.h"
#include "pipeline/base/thread.h"
#include "pipeline/http/trust/pem_file.h"

#include <errno.h>
#include <gnutls/gnutls.h>
#include <gnutls/x509.h>
#include <poll.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>

#define PRIORITY "NORMAL:-VERS-ALL:+VERS-TLS1.3:+VERS-TLS1.2"

#define HANDSHAKE_RECORD 22 /* RFC 8446, 5.1 */

#define ALL_SEE_KEY "let its owner alone read it (chmod 600), or a group (chmod 640)"
#define RENEW_HINT  "put a new one in its place; it is read within seconds, without a restart"
#define STAYS_HINT  "put the files right; they are read again within seconds. What was read before serves on"

enum file { /* in the order of server_tls_fields */ CERT_FILE, KEY_FILE, CLIENT_CA_FILE, FILES };

const struct cfg_field server_tls_fields[] = {
    {.name = "cert_file",
     .type = CFG_STRING,
     .offset = offsetof(struct server_tls_conf, cert_file),
     .min = 1,
     .max = 4096,
     .help =
         "PEM file of the server's certificate, behind it those up to its authority: with it the listener speaks TLS "
         "1.2 and 1.3, and no plain HTTP. Read again when it changes"},
    {.name = "key_file",
     .type = CFG_STRING,
     .offset = offsetof(struct server_tls_conf, key_file),
     .min = 1,
     .max = 4096,
     .help = "PEM file of the certificate's key, without a password; may be the same file"},
    {.name = "client_ca_file",
     .type = CFG_STRING,
     .offset = offsetof(struct server_tls_conf, client_ca_file),
     .min = 1,
     .max = 4096,
     .help = "PEM file of authorities: only clients with a certificate of one of them are let in"},
    {.name = NULL},
};

/* What connections are made with. */
struct identity {
    atomic_uint users;
    gnutls_certificate_credentials_t credentials;
    nsec from, until; /* wall; of the certificate */
    bool asks;        /* clients for theirs */
};

struct server_tls {
    const char *name;
    char option[FILES][40]; /* "api.tls.key_file" */
    char *path[FILES];
    gnutls_priority_t priority; /* NULL: no memory */
    atomic_uint at;             /* the file that is being read */

    struct aside_reader reader; /* its lock guards the rest */
    struct identity *known;     /* NULL: not read, or it cannot be */
    struct file_stamp stamps[FILES];
    struct err why; /* the last reading failed: this is why; ERR_NONE: it did not */
    bool renewed;   /* and nobody has said so yet */
    bool reported;  /* that */
    struct log_limit age, hangs, clients;
};

struct server_tls_connection {
    struct server_tls *tls;
    struct identity *identity; /* NULL: refused */
    gnutls_session_t session;
    int fd;
    enum { SAID_NOTHING, SPEAKS_TLS, SPEAKS_PLAIN, GOT_THROUGH } heard;
};

/* --- options ------------------------------------------------------------------------------------------------------- */

bool server_tls_set(const struct server_tls_conf *conf)
{
    return conf->cert_file || conf->key_file || conf->client_ca_file;
}

void server_tls_check_conf(const struct server_tls_conf *conf, const struct cfg_options *o)
{
    struct err e;

    if (!server_tls_set(conf) || (conf->cert_file && conf->key_file))
        return;
    if (conf->cert_file)
        err_set(&e, ERR_CONFIG, "tls.cert_file: goes together with key_file, which is not set");
    else if (conf->key_file)
        err_set(&e, ERR_CONFIG, "tls.key_file: goes together with cert_file, which is not set");
    else
        err_set(&e, ERR_CONFIG, "tls.client_ca_file: goes together with cert_file and key_file, which are not set");
    cfg_options_refuse(o, &e);
}

char *server_tls_path(const char *file, const char *base_dir)
{
    return file[0] == '/' ? mem_strdup(file) : mem_printf("%s/%s", base_dir, file);
}

static void read_aside(struct aside_reader *r);
static void end(struct aside_reader *r);

static const struct aside_reader_ops READER = {.thread = "listener tls", .read = read_aside, .end = end};

struct server_tls *server_tls_new(const struct server_tls_conf *conf, const char *base_dir, const char *name)
{
    const char *const path[FILES] = {conf->cert_file, conf->key_file, conf->client_ca_file};
    struct server_tls *t = mem_alloc(sizeof(*t));

    aside_reader_init(&t->reader, &READER);
    t->name = name;
    for (size_t i = 0; i < FILES; i++)
        snprintf(t->option[i], sizeof(t->option[i]), "%s.tls.%s", name, server_tls_fields[i].name);
    for (size_t i = 0; i < FILES; i++)
        if (path[i])
            t->path[i] = server_tls_path(path[i], base_dir);
    if (gnutls_priority_init(&t->priority, PRIORITY, NULL) < 0)
        t->priority = NULL;
    return t;
}

static void leave(struct identity *id)
{
    if (!id || --id->users > 0)
        return;
    if (id->credentials)
        gnutls_certificate_free_credentials(id->credentials);
    mem_free(id);
}

static void end(struct aside_reader *r)
{
    struct server_tls *t = CONTAINER_OF(r, struct server_tls, reader);

    leave(t->known);
    if (t->priority)
        gnutls_priority_deinit(t->priority);
    for (size_t i = 0; i < FILES; i++)
        mem_free(t->path[i]);
    mem_free(t);
}

void server_tls_free(struct server_tls **t)
{
    if (*t)
        aside_reader_leave(&(*t)->reader);
    *t = NULL;
}

/* --- the files ----------------------------------------------------------------------------------------------------- */

static gnutls_datum_t datum(const struct buf *b)
{
    return (gnutls_datum_t){(unsigned char *)b->p, (unsigned)b->n};
}

/* Each with a message of its own, before all of them go into one call. */
static int check(enum file which, const struct buf text[FILES], struct identity *id, struct err *e)
{
    struct slice pem = buf_slice(&text[which]);
    struct authorities *a;
    int rc;

    switch (which) {
    case CERT_FILE:
        return certificate_times(pem, &id->from, &id->until, e);
    case KEY_FILE:
        return certificate_check_key(buf_slice(&text[CERT_FILE]), pem, NULL, e);
    default:
        a = authorities_new();
        rc = authorities_add(a, pem, e);
        authorities_leave(a);
        return rc;
    }
}

static int make_credentials(const struct server_tls *t, struct identity *id, const struct buf text[FILES],
                            struct err *e)
{
    gnutls_datum_t cert = datum(&text[CERT_FILE]), key = datum(&text[KEY_FILE]), ca = datum(&text[CLIENT_CA_FILE]);
    int rc = gnutls_certificate_allocate_credentials(&id->credentials);

    if (rc >= 0)
        rc = gnutls_certificate_set_x509_key_mem2(id->credentials, &cert, &key, GNUTLS_X509_FMT_PEM, NULL, 0);
    if (rc < 0)
        return err_set(e, ERR_CONFIG, "%s.tls.cert_file and key_file: they cannot be used (%s)", t->name,
                       gnutls_strerror(rc));
    id->asks = ca.size > 0;
    if (id->asks) {
        rc = gnutls_certificate_set_x509_trust_mem(id->credentials, &ca, GNUTLS_X509_FMT_PEM);
        if (rc <= 0)
            return err_set(e, ERR_CONFIG, "%s: it cannot be used (%s)", t->option[CLIENT_CA_FILE], gnutls_strerror(rc));
    }
    return 0;
}

/* All are read before any is looked at: a key and its certificate are replaced one after the other. */
static struct identity *read_files(struct server_tls *t, struct err *e)
{
    struct identity *id = mem_alloc(sizeof(*id));
    struct buf text[FILES];
    int rc = 0;

    id->users = 1;
    for (size_t i = 0; i < FILES; i++)
        buf_init(&text[i], TLS_FILE_MAX);
    for (unsigned i = 0; i < FILES && rc == 0; i++) {
        atomic_store(&t->at, i);
        if (t->path[i])
            rc = pem_file_read(t->option[i], t->path[i], &text[i], e);
    }
    for (enum file i = 0; i < FILES && rc == 0; i++)
        if (t->path[i] && check(i, text, id, e) < 0)
            rc = err_wrap(e, "%s: `%s`", t->option[i], t->path[i]);
    if (rc == 0)
        rc = make_credentials(t, id, text, e);
    for (size_t i = 0; i < FILES; i++) {
        if (text[i].p)
            explicit_bzero(text[i].p, text[i].cap);
        buf_release(&text[i]);
    }
    if (rc == 0)
        return id;
    leave(id);
    return NULL;
}

/* After a failure they are read again even if they look the same: somebody may have changed who may read them. */
static void read_aside(struct aside_reader *r)
{
    struct server_tls *t = CONTAINER_OF(r, struct server_tls, reader);
    struct err why = {.code = ERR_NONE};
    struct file_stamp stamps[FILES];
    struct identity *id, *old;
    bool same;

    for (unsigned i = 0; i < FILES; i++) {
        atomic_store(&t->at, i);
        stamps[i] = t->path[i] ? file_stamp_of(t->path[i]) : (struct file_stamp){0};
    }
    pthread_mutex_lock(&r->lock);
    same = t->known && t->why.code == ERR_NONE;
    for (size_t i = 0; same && i < FILES; i++)
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
        leave(old);
}

int server_tls_read(struct server_tls *t, struct err *e)
{
    enum aside_state state;
    int rc = 0;

    if (!t->priority)
        return err_set(e, ERR_NOMEM, "%s.tls: no memory for TLS", t->name);
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

void server_tls_warn(struct server_tls *t, nsec wall_now, void (*say)(void *ctx, const char *cause, const char *hint),
                     void *ctx)
{
    const char *age = NULL;
    struct stat st;
    char text[512];

    pthread_mutex_lock(&t->reader.lock);
    if (t->known)
        age = age_of(t->known, wall_now);
    pthread_mutex_unlock(&t->reader.lock);
    if (age) {
        snprintf(text, sizeof(text), "%s: `%s`: %s", t->option[CERT_FILE], t->path[CERT_FILE], age);
        say(ctx, text, RENEW_HINT);
    }
    if (stat(t->path[KEY_FILE], &st) == 0 && (st.st_mode & S_IRWXO)) {
        snprintf(text, sizeof(text), "%s: `%s`: everybody on this machine may %s it", t->option[KEY_FILE],
                 t->path[KEY_FILE], st.st_mode & S_IROTH ? "read" : "change");
        say(ctx, text, ALL_SEE_KEY);
    }
}

/* Once a day, and when new files have been read. */
static void tell_age(struct server_tls *t, nsec mono_now, nsec wall_now)
{
    const char *age = t->known ? age_of(t->known, wall_now) : NULL;

    if (age && log_due(&t->age, mono_now, SERVER_TLS_AGE_EVERY))
        log_warn("the listener's certificate", KS("listener", t->name), KS("cause", age),
                 KS("path", t->path[CERT_FILE]), KS("hint", RENEW_HINT));
}

void server_tls_look(struct server_tls *t, nsec mono_now, nsec wall_now)
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
                 KS("path", t->path[CERT_FILE]));
    if (why.code != ERR_NONE)
        log_error("the listener's new certificate cannot be used", KS("listener", t->name), KE("cause", &why),
                  KS("hint", STAYS_HINT));
}

/* --- connections --------------------------------------------------------------------------------------------------- */

/* For a person with curl: what is wrong is the scheme. What the client has sent is taken out of the socket, as far as it is there: closing
 * it with bytes left would take the answer back. */
static void answer_plain(const struct server_tls_connection *c)
{
    static const char TEXT[] = "HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain\r\nContent-Length: 47\r\n"
                               "Connection: close\r\n\r\nThis port speaks TLS: use https:// to reach it\n";
    ssize_t done = send(c->fd, TEXT, sizeof(TEXT) - 1, MSG_NOSIGNAL | MSG_DONTWAIT);
    char rest[4096];

    (void)done; /* it was a courtesy */
    shutdown(c->fd, SHUT_WR);
    for (int i = 0; i < 16 && recv(c->fd, rest, sizeof(rest), MSG_DONTWAIT) > 0; i++)
        ;
}

/* GnuTLS takes errno from where it is called. */
static ssize_t pull(gnutls_transport_ptr_t ctx, void *data, size_t n)
{
    struct server_tls_connection *c = ctx;
    ssize_t got = recv(c->fd, data, n, 0);

    if (got <= 0 || c->heard != SAID_NOTHING)
        return got;
    c->heard = *(unsigned char *)data == HANDSHAKE_RECORD ? SPEAKS_TLS : SPEAKS_PLAIN;
    if (c->heard == SPEAKS_TLS)
        return got;
    answer_plain(c);
    return 0; /* as if it had gone */
}

/* The client's last message of the handshake. */
static int on_finished(gnutls_session_t session, unsigned type, unsigned when, unsigned incoming,
                       const gnutls_datum_t *message)
{
    (void)type;
    (void)when;
    (void)message;
    if (incoming) {
        gnutls_transport_ptr_t ctx, fd;

        gnutls_transport_get_ptr2(session, &ctx, &fd);
        ((struct server_tls_connection *)ctx)->heard = GOT_THROUGH;
    }
    return 0;
}

static bool prepare(struct server_tls_connection *c)
{
    static gnutls_typed_vdata_st purpose = {.type = GNUTLS_DT_KEY_PURPOSE_OID,
                                            .data = (unsigned char *)(uintptr_t)GNUTLS_KP_TLS_WWW_CLIENT};
    static const gnutls_datum_t http = {(unsigned char *)(uintptr_t) "http/1.1", 8};
    gnutls_session_t s = c->session;

    gnutls_transport_set_ptr2(s, c, (gnutls_transport_ptr_t)(intptr_t)c->fd);
    gnutls_transport_set_pull_function(s, pull);
    gnutls_handshake_set_hook_function(s, GNUTLS_HANDSHAKE_FINISHED, GNUTLS_HOOK_POST, on_finished);
    gnutls_certificate_server_set_request(s, c->identity->asks ? GNUTLS_CERT_REQUIRE : GNUTLS_CERT_IGNORE);
    if (c->identity->asks)
        gnutls_session_set_verify_cert2(s, &purpose, 1, 0);
    return gnutls_priority_set(s, c->tls->priority) >= 0 && gnutls_alpn_set_protocols(s, &http, 1, 0) >= 0 &&
           gnutls_credentials_set(s, GNUTLS_CRD_CERTIFICATE, c->identity->credentials) >= 0;
}

struct server_tls_connection *server_tls_begin(struct server_tls *t, struct gnutls_session_int *session, int fd)
{
    struct server_tls_connection *c = mem_alloc(sizeof(*c));

    c->tls = t;
    c->session = session;
    c->fd = fd;
    pthread_mutex_lock(&t->reader.lock);
    c->identity = t->known;
    c->identity->users++;
    pthread_mutex_unlock(&t->reader.lock);
    (void)prepare(c); /* else the session has the library's own, with which no handshake succeeds */
    return c;
}

/* A client that only looks whether the port is open says nothing, and nothing is said of it. */
void server_tls_end(struct server_tls_connection *c, const char *client, nsec mono_now)
{
    struct server_tls *t;
    bool due;

    if (!c)
        return;
    t = c->tls;
    if (c->heard == SPEAKS_TLS || c->heard == SPEAKS_PLAIN) {
        pthread_mutex_lock(&t->reader.lock);
        due = log_due(&t->clients, mono_now, SERVER_TLS_SAYS_EVERY);
        pthread_mutex_unlock(&t->reader.lock);
        if (due && c->heard == SPEAKS_PLAIN)
            log_warn("a client speaks plain HTTP to a listener with TLS", KS("listener", t->name), KS("client", client),
                     KS("hint", "its URL must begin with https://"));
        else if (due)
            log_warn(
                "a client did not get through the TLS handshake", KS("listener", t->name), KS("client", client),
                KS("hint", c->identity->asks
                               ? "the client's own log says why: it does not trust the certificate, or its own is not "
                                 "of an authority in client_ca_file"
                               : "the client's own log says why: mostly it does not trust the certificate"));
    }
    leave(c->identity);
    mem_free(c);
}
