/* What OpenSSL reads from text is kept in a store that connections share by counting it. The same authorities make
 * the same mark (a digest of all of them), by which curl can tell whether a connection it has was verified by those that are wanted now. */
#include "pipeline/base/certificates.h"

#include "pipeline/base/digest.h"
#include "pipeline/base/limits.h"
#include "pipeline/base/mem.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>

#include <limits.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

struct authorities {
    atomic_uint users;
    X509_STORE *store; /* counted by OpenSSL; has each once */
    struct buf mark;
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

struct authorities *authorities_new(void)
{
    struct authorities *a = mem_alloc(sizeof(*a));

    a->users = 1;
    a->store = X509_STORE_new(); /* NULL: no memory; nothing can be added then */
    buf_init(&a->mark, TLS_FILE_MAX);
    return a;
}

struct authorities *authorities_keep(struct authorities *a)
{
    a->users++;
    return a;
}

void authorities_leave(struct authorities *a)
{
    if (!a || --a->users > 0)
        return;
    X509_STORE_free(a->store);
    buf_release(&a->mark);
    mem_free(a);
}

static int add_all(struct authorities *a, STACK_OF(X509_INFO) * items, struct err *e)
{
    int added = 0;

    for (int i = 0; i < sk_X509_INFO_num(items); i++) {
        X509 *x = sk_X509_INFO_value(items, i)->x509;

        if (!x) /* a key, or a list of revoked certificates */
            continue;
        if (X509_STORE_add_cert(a->store, x) != 1)
            return refuse(e, "a certificate cannot be taken");
        added++;
    }
    return added ? 0 : refuse(e, "there is no certificate in it (PEM: -----BEGIN CERTIFICATE-----)");
}

int authorities_add(struct authorities *a, struct slice pem, struct err *e)
{
    BIO *bio = reading(pem);
    STACK_OF(X509_INFO) *items = bio ? PEM_X509_INFO_read_bio(bio, NULL, NULL, NULL) : NULL;
    int rc;

    rc = items && a->store ? add_all(a, items, e) : refuse(e, "a certificate in it cannot be read");
    sk_X509_INFO_pop_free(items, X509_INFO_free);
    BIO_free(bio);
    return rc;
}

/* One of them, and what stands for it. */
struct one {
    unsigned char digest[SHA256_BYTES];
    X509 *x;
};

static int compare(const void *a, const void *b)
{
    return memcmp(((const struct one *)a)->digest, ((const struct one *)b)->digest, SHA256_BYTES);
}

/* Borrowed from the store, in the order of their digests. Returns how many; 0: none, or no memory. */
static size_t sorted(const struct authorities *a, struct one **out)
{
    STACK_OF(X509_OBJECT) *all = a->store ? X509_STORE_get0_objects(a->store) : NULL;
    int count = all ? sk_X509_OBJECT_num(all) : 0;
    size_t n = 0;

    *out = count > 0 ? mem_array((size_t)count, sizeof(**out)) : NULL;
    for (int i = 0; i < count; i++) {
        struct one *o = &(*out)[n];

        o->x = X509_OBJECT_get0_X509(sk_X509_OBJECT_value(all, i));
        n += o->x && X509_digest(o->x, EVP_sha256(), o->digest, NULL) == 1;
    }
    if (n > 0)
        qsort(*out, n, sizeof(**out), compare);
    return n;
}

static void name_all(const struct one *all, size_t n, char name[SHA256_HEX])
{
    struct sha256 *sum = sha256_new();
    unsigned char digest[SHA256_BYTES];

    sha256_begin(sum);
    for (size_t i = 0; i < n; i++)
        sha256_add(sum, slice_of((const char *)all[i].digest, sizeof(all[i].digest)));
    sha256_end(sum, digest);
    sha256_free(&sum);
    hex_encode(digest, sizeof(digest), name);
}

/* PEM may have any line before a certificate. */
static int make_mark(struct authorities *a, const X509 *x, const char *name)
{
    BIO *bio = BIO_new(BIO_s_mem());
    char *text = NULL;
    long n = 0;
    int rc;

    if (bio && PEM_write_bio_X509(bio, x) == 1)
        n = BIO_get_mem_data(bio, &text);
    rc = n > 0 && buf_printf(&a->mark, "%s\n", name) == 0 ? buf_add(&a->mark, text, (size_t)n) : -1;
    BIO_free(bio);
    return rc;
}

int authorities_end(struct authorities *a, struct err *e)
{
    struct one *all;
    size_t n = sorted(a, &all);
    char name[SHA256_HEX];
    int rc = -1;

    if (n > 0) {
        /* As libcurl has it: an authority in between is trusted as it stands. */
        X509_STORE_set_flags(a->store, X509_V_FLAG_TRUSTED_FIRST | X509_V_FLAG_PARTIAL_CHAIN);
        name_all(all, n, name);
        rc = make_mark(a, all[0].x, name);
    }
    mem_free(all);
    return rc < 0 ? refuse(e, "there are no certificates that can be taken") : 0;
}

struct slice authorities_mark(const struct authorities *a)
{
    return buf_slice(&a->mark);
}

/* Beside the store of the SSL_CTX itself, which libcurl fills in its own time. */
bool authorities_use(const struct authorities *a, void *ssl_ctx)
{
    return SSL_CTX_set1_verify_cert_store(ssl_ctx, a->store) == 1 &&
           SSL_CTX_set1_chain_cert_store(ssl_ctx, a->store) == 1;
}

void *authorities_store(const struct authorities *a)
{
    return a->store;
}

const char *authorities_usual_file(void)
{
    return X509_get_default_cert_file();
}

const char *authorities_usual_folder(void)
{
    return X509_get_default_cert_dir();
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

bool certificate_use(struct slice pem, void *ssl_ctx)
{
    BIO *bio = reading(pem);
    X509 *x = bio ? PEM_read_bio_X509_AUX(bio, NULL, give_password, NULL) : NULL;
    bool ok = x && SSL_CTX_use_certificate(ssl_ctx, x) == 1;

    X509_free(x);
    while (ok && (x = PEM_read_bio_X509(bio, NULL, give_password, NULL))) {
        ok = SSL_CTX_add1_chain_cert(ssl_ctx, x) == 1;
        X509_free(x);
    }
    if (ok)
        ERR_clear_error(); /* there is no more in the text */
    BIO_free(bio);
    return ok;
}

bool certificate_use_key(struct slice pem, const char *password, void *ssl_ctx)
{
    EVP_PKEY *key = read_key(pem, password);
    bool ok = key && SSL_CTX_use_PrivateKey(ssl_ctx, key) == 1;

    EVP_PKEY_free(key);
    return ok;
}

int certificate_check(struct slice pem, struct err *e)
{
    X509 *x = read_certificate(pem);

    if (!x)
        return refuse(e, "there is no certificate in it that can be read (PEM: -----BEGIN CERTIFICATE-----)");
    X509_free(x);
    return 0;
}

/* A time that cannot be read is none. The end of the year 9999, which stands for no end, has no nanoseconds. */
static nsec wall_of(const ASN1_TIME *time)
{
    struct tm tm;
    time_t t = ASN1_TIME_to_tm(time, &tm) == 1 ? timegm(&tm) : 0;

    if (t < 0)
        return 0; /* before 1970: always */
    return t < NSEC_NEVER / NSEC_PER_SEC ? (nsec)t * NSEC_PER_SEC : NSEC_NEVER;
}

int certificate_times(struct slice pem, nsec *from, nsec *until, struct err *e)
{
    X509 *x;

    if (certificate_check(pem, e) < 0)
        return -1;
    x = read_certificate(pem);
    *from = x ? wall_of(X509_get0_notBefore(x)) : 0;
    *until = x ? wall_of(X509_get0_notAfter(x)) : 0;
    X509_free(x);
    return 0;
}

struct slice certificate_first(struct slice pem)
{
    static const char END[] = "-----END CERTIFICATE-----";
    const char *end = memmem(pem.p, pem.n, END, sizeof(END) - 1);

    return end ? slice_of(pem.p, (size_t)(end - pem.p) + sizeof(END) - 1) : pem;
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
