#include "pipeline/base/certificates.h"

#include "pipeline/base/digest.h"
#include "pipeline/base/mem.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>

#include <limits.h>
#include <string.h>

struct authorities {
    X509_STORE *store; /* counted by OpenSSL */
    X509 *first;
    char digest[SHA256_HEX]; /* of the text */
};

static BIO *reading(struct slice text)
{
    return BIO_new_mem_buf(text.p, text.n > INT_MAX ? INT_MAX : (int)text.n);
}

/* With OpenSSL's reason in words. Others on this thread look at the queue of errors as well: it is left empty. */
static int refuse(struct err *e, const char *what)
{
    const char *reason = ERR_reason_error_string(ERR_peek_last_error());

    ERR_clear_error();
    return reason ? err_set(e, ERR_CONFIG, "%s (%s)", what, reason) : err_set(e, ERR_CONFIG, "%s", what);
}

/* --- authorities ------------------------------------------------------------------------------------------------- */

static int add_all(struct authorities *a, STACK_OF(X509_INFO) * items, struct err *e)
{
    for (int i = 0; i < sk_X509_INFO_num(items); i++) {
        X509 *x = sk_X509_INFO_value(items, i)->x509;

        if (!x) /* a key, or a list of revoked certificates */
            continue;
        if (X509_STORE_add_cert(a->store, x) != 1)
            return refuse(e, "a certificate cannot be taken");
        if (!a->first && X509_up_ref(x) == 1)
            a->first = x;
    }
    return a->first ? 0 : refuse(e, "there is no certificate in it (PEM: -----BEGIN CERTIFICATE-----)");
}

int authorities_read(struct authorities **out, struct slice pem, struct err *e)
{
    struct authorities *a = mem_alloc(sizeof(*a));
    BIO *bio = reading(pem);
    STACK_OF(X509_INFO) *items = bio ? PEM_X509_INFO_read_bio(bio, NULL, NULL, NULL) : NULL;
    unsigned char sum[SHA256_BYTES];
    int rc;

    a->store = X509_STORE_new();
    if (!items || !a->store)
        rc = refuse(e, "a certificate in it cannot be read");
    else
        rc = add_all(a, items, e);
    sk_X509_INFO_pop_free(items, X509_INFO_free);
    BIO_free(bio);
    if (rc < 0) {
        authorities_free(&a);
        return -1;
    }
    /* As libcurl has it: an authority in between is trusted as it stands. */
    X509_STORE_set_flags(a->store, X509_V_FLAG_TRUSTED_FIRST | X509_V_FLAG_PARTIAL_CHAIN);
    sha256_of(pem, sum);
    hex_encode(sum, sizeof(sum), a->digest);
    *out = a;
    return 0;
}

void authorities_free(struct authorities **a)
{
    if (!*a)
        return;
    X509_STORE_free((*a)->store);
    X509_free((*a)->first);
    MEM_CLEAR(*a);
}

int authorities_mark(const struct authorities *a, struct buf *out)
{
    BIO *bio = BIO_new(BIO_s_mem());
    char *text = NULL;
    long n = 0;
    int rc;

    if (bio && PEM_write_bio_X509(bio, a->first) == 1)
        n = BIO_get_mem_data(bio, &text);
    rc = n > 0 && buf_printf(out, "%s\n", a->digest) == 0 ? buf_add(out, text, (size_t)n) : -1;
    BIO_free(bio);
    return rc;
}

/* Beside the store of the SSL_CTX itself, which libcurl fills in its own time. */
bool authorities_use(const struct authorities *a, void *ssl_ctx)
{
    return SSL_CTX_set1_verify_cert_store(ssl_ctx, a->store) == 1 &&
           SSL_CTX_set1_chain_cert_store(ssl_ctx, a->store) == 1;
}

/* --- our own ----------------------------------------------------------------------------------------------------- */

/* OpenSSL would ask on the terminal otherwise. */
static int give_password(char *to, int size, int rwflag, void *password)
{
    size_t n = password ? strlen(password) : 0;

    (void)rwflag;
    if (n > (size_t)size)
        return -1;
    memcpy(to, password ? password : "", n);
    return (int)n;
}

static X509 *read_certificate(struct slice pem)
{
    BIO *bio = reading(pem);
    X509 *x = bio ? PEM_read_bio_X509_AUX(bio, NULL, give_password, NULL) : NULL;

    BIO_free(bio);
    return x;
}

static EVP_PKEY *read_key(struct slice pem, const char *password)
{
    BIO *bio = reading(pem);
    EVP_PKEY *key = bio ? PEM_read_bio_PrivateKey(bio, NULL, give_password, (void *)(uintptr_t)password) : NULL;

    BIO_free(bio);
    return key;
}

int certificate_check(struct slice pem, struct err *e)
{
    X509 *x = read_certificate(pem);

    if (!x)
        return refuse(e, "there is no certificate in it that can be read (PEM: -----BEGIN CERTIFICATE-----)");
    X509_free(x);
    return 0;
}

int certificate_check_key(struct slice certificate, struct slice key, const char *password, struct err *e)
{
    X509 *x = read_certificate(certificate);
    EVP_PKEY *k = read_key(key, password);
    int rc = 0;

    if (!k)
        rc = refuse(e, password ? "there is no key in it that key_password opens (PEM)"
                                : "there is no key in it that can be read without a password (PEM)");
    else if (!x || X509_check_private_key(x, k) != 1)
        rc = refuse(e, "it is not the key of the certificate in cert_file");
    X509_free(x);
    EVP_PKEY_free(k);
    return rc;
}
