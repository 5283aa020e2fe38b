#include "pipeline/inputs/socket/secure.h"

#include "pipeline/base/certificates.h"
#include "pipeline/base/mem.h"
#include "pipeline/http/tls_files.h"

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509_vfy.h>
#include <openssl/x509v3.h>

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

struct secure {
    SSL_CTX *ctx;
    SSL *ssl;
};

/* The oldest entry is the cause; the queue is empty behind this. */
static void library_says(char out[160])
{
    unsigned long code = ERR_get_error();
    const char *reason = code ? ERR_reason_error_string(code) : NULL;

    snprintf(out, 160, "%s", reason ? reason : "the TLS library does not say why");
    ERR_clear_error();
}

static int refuse(struct err *e, const char *what)
{
    char why[160];

    library_says(why);
    return err_set(e, ERR_IO, "%s: %s", what, why);
}

/* --- whom we trust ------------------------------------------------------------------------------------------------- */

static int prepare(SSL_CTX *ctx, const struct http_request *files, struct err *e)
{
    const struct http_tls *tls = files->tls;
    const struct authorities *trusted = tls && tls->authorities ? tls->authorities : files->system;
    bool insecure = tls && tls->insecure;

    if (SSL_CTX_set_min_proto_version(ctx, TLS1_2_VERSION) != 1)
        return refuse(e, "TLS cannot be prepared");
    SSL_CTX_set_mode(ctx, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    SSL_CTX_set_options(ctx, SSL_OP_NO_RENEGOTIATION);
    SSL_CTX_set_verify(ctx, insecure ? SSL_VERIFY_NONE : SSL_VERIFY_PEER, NULL);
    if (!insecure && !trusted)
        return err_set(e, ERR_CONFIG, "there is no certificate authority to trust: name a file in tls.ca_file");
    if (trusted && !authorities_use(trusted, ctx))
        return refuse(e, "the certificate authorities cannot be used");
    if (tls && tls->text[TLS_CERT_FILE].n && !certificate_use(buf_slice(&tls->text[TLS_CERT_FILE]), ctx))
        return refuse(e, "tls.cert_file cannot be used");
    if (tls && tls->text[TLS_KEY_FILE].n &&
        !certificate_use_key(buf_slice(&tls->text[TLS_KEY_FILE]), tls->key_password, ctx))
        return refuse(e, "tls.key_file cannot be used");
    return 0;
}

static bool is_address(const char *host)
{
    unsigned char to[16];

    return inet_pton(AF_INET, host, to) == 1 || inet_pton(AF_INET6, host, to) == 1;
}

static bool set_host(SSL *ssl, const char *host)
{
    X509_VERIFY_PARAM *param = SSL_get0_param(ssl);

    if (is_address(host))
        return X509_VERIFY_PARAM_set1_ip_asc(param, host) == 1;
    X509_VERIFY_PARAM_set_hostflags(param, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
    return X509_VERIFY_PARAM_set1_host(param, host, 0) == 1 && SSL_set_tlsext_host_name(ssl, host) == 1;
}

int secure_new(struct secure **out, const struct http_request *files, const char *host, int fd, struct err *e)
{
    struct secure *s = mem_alloc(sizeof(*s));

    ERR_clear_error();
    s->ctx = SSL_CTX_new(TLS_client_method());
    if (!s->ctx || prepare(s->ctx, files, e) < 0) {
        if (!s->ctx)
            (void)refuse(e, "TLS cannot be prepared");
        secure_free(&s);
        return -1;
    }
    s->ssl = SSL_new(s->ctx);
    if (!s->ssl || SSL_set_fd(s->ssl, fd) != 1 || !set_host(s->ssl, host)) {
        (void)refuse(e, "TLS cannot be prepared");
        secure_free(&s);
        return -1;
    }
    SSL_set_connect_state(s->ssl);
    *out = s;
    return 0;
}

void secure_free(struct secure **s)
{
    if (!*s)
        return;
    SSL_free((*s)->ssl);
    SSL_CTX_free((*s)->ctx);
    MEM_CLEAR(*s);
}

/* --- the other side ------------------------------------------------------------------------------------------------ */

/* A client that has several certificates chooses by these names. */
static bool name_authorities(SSL_CTX *ctx, const struct authorities *a)
{
    STACK_OF(X509_OBJECT) *all = X509_STORE_get0_objects(authorities_store(a));

    for (int i = 0; i < sk_X509_OBJECT_num(all); i++) {
        X509 *x = X509_OBJECT_get0_X509(sk_X509_OBJECT_value(all, i));

        if (x && SSL_CTX_add_client_CA(ctx, x) != 1)
            return false;
    }
    return true;
}

static int ask_clients(SSL_CTX *ctx, struct slice pem, struct err *e)
{
    struct authorities *a = authorities_new();
    int rc = authorities_add(a, pem, e);

    if (rc == 0)
        rc = authorities_end(a, e);
    if (rc == 0 && (SSL_CTX_set1_verify_cert_store(ctx, authorities_store(a)) != 1 || !name_authorities(ctx, a)))
        rc = refuse(e, "it cannot be used");
    authorities_leave(a);
    SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, NULL);
    return rc < 0 ? err_wrap(e, "tls.client_ca_file") : 0;
}

/* HTTP/2, for clients that ask for it by its name; others name nothing. */
static int choose_protocol(SSL *ssl, const unsigned char **out, unsigned char *out_n, const unsigned char *in,
                           unsigned in_n, void *arg)
{
    static const unsigned char H2[] = {2, 'h', '2'};
    unsigned char *chosen;

    (void)ssl, (void)arg;
    if (SSL_select_next_proto(&chosen, out_n, H2, sizeof(H2), in, in_n) != OPENSSL_NPN_NEGOTIATED)
        return SSL_TLSEXT_ERR_NOACK;
    *out = chosen;
    return SSL_TLSEXT_ERR_OK;
}

/* Sessions are not resumed: connections last, and a ticket would let in who has no certificate any more. */
void *secure_context(struct slice cert, struct slice key, struct slice client_ca, struct err *e)
{
    SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());
    int rc = 0;

    ERR_clear_error();
    if (!ctx || SSL_CTX_set_min_proto_version(ctx, TLS1_2_VERSION) != 1 || SSL_CTX_set_num_tickets(ctx, 0) != 1) {
        rc = refuse(e, "TLS cannot be prepared");
    } else {
        SSL_CTX_set_mode(ctx, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
                                  SSL_MODE_RELEASE_BUFFERS | SSL_MODE_NO_AUTO_CHAIN);
        SSL_CTX_set_options(ctx, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_TICKET | SSL_OP_CIPHER_SERVER_PREFERENCE);
        SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
        SSL_CTX_set_alpn_select_cb(ctx, choose_protocol, NULL);
        if (!certificate_use(cert, ctx) || !certificate_use_key(key, NULL, ctx))
            rc = refuse(e, "tls.cert_file and key_file: they cannot be used");
        else if (client_ca.n > 0)
            rc = ask_clients(ctx, client_ca, e);
    }
    if (rc == 0)
        return ctx;
    SSL_CTX_free(ctx);
    return NULL;
}

void secure_context_free(void *ssl_ctx)
{
    SSL_CTX_free(ssl_ctx);
}

int secure_accept(struct secure **out, void *ssl_ctx, int fd, struct err *e)
{
    struct secure *s = mem_alloc(sizeof(*s));

    ERR_clear_error();
    s->ssl = SSL_new(ssl_ctx);
    if (!s->ssl || SSL_set_fd(s->ssl, fd) != 1) {
        (void)refuse(e, "TLS cannot be prepared");
        secure_free(&s);
        return -1;
    }
    SSL_set_accept_state(s->ssl);
    *out = s;
    return 0;
}

void secure_peer_name(const struct secure *s, char *out, size_t size)
{
    X509 *x = SSL_get0_peer_certificate(s->ssl);

    out[0] = '\0';
    if (x && X509_NAME_get_text_by_NID(X509_get_subject_name(x), NID_commonName, out, (int)size) < 0)
        out[0] = '\0';
}

/* --- talking ------------------------------------------------------------------------------------------------------- */

static enum secure_answer answer_of(struct secure *s, int rc, int saved, const char *doing, struct err *e)
{
    char why[160];

    switch (SSL_get_error(s->ssl, rc)) {
    case SSL_ERROR_WANT_READ:
        return SECURE_WANTS_READ;
    case SSL_ERROR_WANT_WRITE:
        return SECURE_WANTS_WRITE;
    case SSL_ERROR_ZERO_RETURN:
        return SECURE_ENDED;
    case SSL_ERROR_SYSCALL:
        ERR_clear_error();
        if (saved == 0)
            return SECURE_ENDED;
        (void)err_set(e, ERR_IO, "%s: %s", doing, strerror(saved));
        return SECURE_FAILED;
    default:
        if (ERR_GET_REASON(ERR_peek_error()) == SSL_R_UNEXPECTED_EOF_WHILE_READING) {
            ERR_clear_error();
            return SECURE_ENDED;
        }
        library_says(why);
        (void)err_set(e, ERR_IO, "%s: %s", doing, why);
        return SECURE_FAILED;
    }
}

static enum secure_answer refuse_certificate(struct secure *s, long verdict, struct err *e)
{
    const char *why = X509_verify_cert_error_string(verdict);
    const char *name = SSL_get_servername(s->ssl, TLSEXT_NAMETYPE_host_name);

    ERR_clear_error();
    if (verdict == X509_V_ERR_HOSTNAME_MISMATCH || verdict == X509_V_ERR_IP_ADDRESS_MISMATCH)
        (void)err_set(e, ERR_IO, "the certificate of the far end is not that of %s: it is of another name",
                      name ? name : "this address");
    else
        (void)err_set(e, ERR_IO, "the certificate of the far end is not trusted: %s", why);
    return SECURE_FAILED;
}

enum secure_answer secure_handshake(struct secure *s, bool *certificate, struct err *e)
{
    enum secure_answer a;
    long verdict;
    int rc;

    *certificate = false;
    ERR_clear_error();
    errno = 0;
    rc = SSL_do_handshake(s->ssl);
    if (rc == 1)
        return SECURE_DONE;
    a = answer_of(s, rc, errno, "the TLS handshake failed", e);
    verdict = SSL_get_verify_result(s->ssl);
    if (a == SECURE_FAILED && verdict != X509_V_OK && SSL_get_verify_mode(s->ssl) != SSL_VERIFY_NONE) {
        *certificate = true;
        return refuse_certificate(s, verdict, e);
    }
    return a;
}

enum secure_answer secure_read(struct secure *s, void *p, size_t room, size_t *n, struct err *e)
{
    int rc;

    ERR_clear_error();
    errno = 0;
    rc = SSL_read_ex(s->ssl, p, room, n);
    return rc == 1 ? SECURE_DONE : answer_of(s, rc, errno, "reading failed", e);
}

enum secure_answer secure_write(struct secure *s, const void *p, size_t len, size_t *n, struct err *e)
{
    int rc;

    ERR_clear_error();
    errno = 0;
    rc = SSL_write_ex(s->ssl, p, len, n);
    return rc == 1 ? SECURE_DONE : answer_of(s, rc, errno, "writing failed", e);
}

void secure_shut(struct secure *s)
{
    (void)SSL_shutdown(s->ssl);
    ERR_clear_error();
}
