/* libmicrohttpd makes a GnuTLS session for each connection and moves it along; what the session is made with is put into it here, before
 * its first byte. So each connection has the files of its time: one value that does not change, counted by those who have it. The library's
 * own credentials are empty, and never used.
 *
 * The bytes of a client come through pull(), which looks at the first one: a TLS record of a handshake begins with 22, a request in plain
 * HTTP with a letter. */
#include "pipeline/http/server/server_tls.h"

#include "pipeline/base/buf.h"
#include "pipeline/base/limits.h"
#include "pipeline/base/log.h"
#include "pipeline/base/mem.h"
#include "pipeline/http/server/identity.h"

#include <gnutls/gnutls.h>
#include <gnutls/x509.h>
#include <pthread.h>
#include <string.h>
#include <sys/socket.h>

#define PRIORITY "NORMAL:-VERS-ALL:+VERS-TLS1.3:+VERS-TLS1.2"

#define HANDSHAKE_RECORD 22 /* RFC 8446, 5.1 */

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

struct server_tls {
    const char *name;
    struct identity_files *files;
    gnutls_priority_t priority; /* NULL: no memory */
    pthread_mutex_t lock;
    struct log_limit clients; /* guarded by lock */
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

/* --- the files ----------------------------------------------------------------------------------------------------- */

static gnutls_datum_t datum(const struct buf *b)
{
    return (gnutls_datum_t){(unsigned char *)b->p, (unsigned)b->n};
}

static void release_credentials(void *credentials)
{
    gnutls_certificate_free_credentials(credentials);
}

static void *make_credentials(const struct buf text[IDENTITY_FILES], struct err *e)
{
    gnutls_datum_t cert = datum(&text[IDENTITY_CERT]), key = datum(&text[IDENTITY_KEY]),
                   ca = datum(&text[IDENTITY_CLIENT_CA]);
    gnutls_certificate_credentials_t made = NULL;
    int rc = gnutls_certificate_allocate_credentials(&made);

    if (rc >= 0)
        rc = gnutls_certificate_set_x509_key_mem2(made, &cert, &key, GNUTLS_X509_FMT_PEM, NULL, 0);
    if (rc < 0) {
        (void)err_set(e, ERR_CONFIG, "tls.cert_file and key_file: they cannot be used (%s)", gnutls_strerror(rc));
    } else if (ca.size > 0) {
        rc = gnutls_certificate_set_x509_trust_mem(made, &ca, GNUTLS_X509_FMT_PEM);
        if (rc <= 0)
            (void)err_set(e, ERR_CONFIG, "tls.client_ca_file: it cannot be used (%s)", gnutls_strerror(rc));
        rc = rc > 0 ? 0 : -1;
    }
    if (rc >= 0)
        return made;
    if (made)
        gnutls_certificate_free_credentials(made);
    return NULL;
}

static const struct identity_ops CREDENTIALS = {.make = make_credentials, .release = release_credentials};

struct server_tls *server_tls_new(const struct server_tls_conf *conf, const char *base_dir, const char *name)
{
    const char *const file[IDENTITY_FILES] = {conf->cert_file, conf->key_file, conf->client_ca_file};
    struct server_tls *t = mem_alloc(sizeof(*t));
    char *path[IDENTITY_FILES];

    for (size_t i = 0; i < IDENTITY_FILES; i++)
        path[i] = file[i] ? server_tls_path(file[i], base_dir) : NULL;
    t->name = name;
    t->files = identity_files_new(&CREDENTIALS, name, (const char *const *)path);
    for (size_t i = 0; i < IDENTITY_FILES; i++)
        mem_free(path[i]);
    if (gnutls_priority_init(&t->priority, PRIORITY, NULL) < 0)
        t->priority = NULL;
    pthread_mutex_init(&t->lock, NULL);
    return t;
}

void server_tls_free(struct server_tls **tp)
{
    struct server_tls *t = *tp;

    if (!t)
        return;
    identity_files_free(&t->files);
    if (t->priority)
        gnutls_priority_deinit(t->priority);
    pthread_mutex_destroy(&t->lock);
    MEM_CLEAR(*tp);
}

int server_tls_read(struct server_tls *t, struct err *e)
{
    if (!t->priority)
        return err_set(e, ERR_NOMEM, "%s.tls: no memory for TLS", t->name);
    return identity_files_read(t->files, e);
}

void server_tls_warn(struct server_tls *t, nsec wall_now, void (*say)(void *ctx, const char *cause, const char *hint),
                     void *ctx)
{
    identity_files_warn(t->files, wall_now, say, ctx);
}

void server_tls_look(struct server_tls *t, nsec mono_now, nsec wall_now)
{
    identity_files_look(t->files, mono_now, wall_now);
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

/* Who shows the listener's own certificate has its key, which only who runs it may read: a command of ours. */
static bool is_own(const struct server_tls_connection *c, const gnutls_datum_t *shown)
{
    gnutls_datum_t own;

    return gnutls_certificate_get_crt_raw(c->identity->credentials, 0, 0, &own) >= 0 && own.size == shown->size &&
           memcmp(own.data, shown->data, own.size) == 0;
}

static int verify(gnutls_session_t session)
{
    static gnutls_typed_vdata_st purpose = {.type = GNUTLS_DT_KEY_PURPOSE_OID,
                                            .data = (unsigned char *)(uintptr_t)GNUTLS_KP_TLS_WWW_CLIENT};
    gnutls_transport_ptr_t ctx, fd;
    const gnutls_datum_t *shown;
    unsigned n = 0, status = 0;
    int rc;

    gnutls_transport_get_ptr2(session, &ctx, &fd);
    shown = gnutls_certificate_get_peers(session, &n);
    if (shown && n > 0 && is_own(ctx, shown))
        return 0;
    rc = gnutls_certificate_verify_peers(session, &purpose, 1, &status);
    return rc < 0 ? rc : status != 0 ? GNUTLS_E_CERTIFICATE_VERIFICATION_ERROR : 0;
}

static bool prepare(struct server_tls_connection *c)
{
    static const gnutls_datum_t http = {(unsigned char *)(uintptr_t) "http/1.1", 8};
    gnutls_session_t s = c->session;

    gnutls_transport_set_ptr2(s, c, (gnutls_transport_ptr_t)(intptr_t)c->fd);
    gnutls_transport_set_pull_function(s, pull);
    gnutls_handshake_set_hook_function(s, GNUTLS_HANDSHAKE_FINISHED, GNUTLS_HOOK_POST, on_finished);
    gnutls_certificate_server_set_request(s, c->identity->asks ? GNUTLS_CERT_REQUIRE : GNUTLS_CERT_IGNORE);
    if (c->identity->asks)
        gnutls_session_set_verify_function(s, verify);
    return gnutls_priority_set(s, c->tls->priority) >= 0 && gnutls_alpn_set_protocols(s, &http, 1, 0) >= 0 &&
           gnutls_credentials_set(s, GNUTLS_CRD_CERTIFICATE, c->identity->credentials) >= 0;
}

struct server_tls_connection *server_tls_begin(struct server_tls *t, struct gnutls_session_int *session, int fd)
{
    struct server_tls_connection *c = mem_alloc(sizeof(*c));

    c->tls = t;
    c->session = session;
    c->fd = fd;
    c->identity = identity_files_keep(t->files);
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
        pthread_mutex_lock(&t->lock);
        due = log_due(&t->clients, mono_now, SERVER_TLS_SAYS_EVERY);
        pthread_mutex_unlock(&t->lock);
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
    identity_leave(c->identity);
    mem_free(c);
}
