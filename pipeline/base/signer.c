#include "pipeline/base/signer.h"

#include "pipeline/base/limits.h"
#include "pipeline/base/mem.h"

#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>

#include <limits.h>

struct signer {
    EVP_PKEY *key;
    nsec from, until;
};

/* All certificates of the text. NULL: it cannot be read. */
static STACK_OF(X509_INFO) * read_all(struct slice pem)
{
    BIO *bio = BIO_new_mem_buf(pem.p, pem.n > INT_MAX ? INT_MAX : (int)pem.n);
    STACK_OF(X509_INFO) *all = bio ? PEM_X509_INFO_read_bio(bio, NULL, NULL, NULL) : NULL;

    BIO_free(bio);
    return all;
}

static bool issued_itself(X509 *x)
{
    return X509_NAME_cmp(X509_get_subject_name(x), X509_get_issuer_name(x)) == 0;
}

/* Its times are ours to check. */
static int check_chain(X509 *x, STACK_OF(X509_INFO) * all, const struct authorities *a, struct err *e)
{
    STACK_OF(X509) *between = sk_X509_new_null();
    X509_STORE_CTX *ctx = X509_STORE_CTX_new();
    int rc = -1, why = X509_V_ERR_UNSPECIFIED;

    for (int i = 1; between && i < sk_X509_INFO_num(all); i++)
        if (sk_X509_INFO_value(all, i)->x509)
            sk_X509_push(between, sk_X509_INFO_value(all, i)->x509);
    if (between && ctx && X509_STORE_CTX_init(ctx, authorities_store(a), x, between) == 1) {
        X509_VERIFY_PARAM_set_flags(X509_STORE_CTX_get0_param(ctx), X509_V_FLAG_NO_CHECK_TIME);
        rc = X509_verify_cert(ctx) == 1 ? 0 : -1;
        why = X509_STORE_CTX_get_error(ctx);
    }
    if (rc < 0 && sk_X509_num(between) == 0 && !issued_itself(x) &&
        (why == X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY || why == X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE))
        rc = 0;
    X509_STORE_CTX_free(ctx);
    sk_X509_free(between);
    ERR_clear_error();
    return rc < 0 ? err_set(e, ERR_FORMAT, "no authority that this machine trusts has issued it (%s)",
                            X509_verify_cert_error_string(why))
                  : 0;
}

int signer_new(struct signer **out, struct slice pem, const struct authorities *a, nsec wall_now, struct err *e)
{
    STACK_OF(X509_INFO) *all = read_all(pem);
    X509 *x = all && sk_X509_INFO_num(all) > 0 ? sk_X509_INFO_value(all, 0)->x509 : NULL;
    struct signer *s = mem_alloc(sizeof(*s));
    int rc = -1;

    ERR_clear_error();
    s->key = x ? X509_get_pubkey(x) : NULL;
    if (!x || certificate_times(pem, &s->from, &s->until, e) < 0)
        err_set(e, ERR_FORMAT, "it is no certificate (PEM: -----BEGIN CERTIFICATE-----)");
    else if (!s->key || EVP_PKEY_get_base_id(s->key) != EVP_PKEY_RSA || EVP_PKEY_get_bits(s->key) < SIGNER_KEY_BITS_MIN)
        err_set(e, ERR_FORMAT, "its key is no RSA key of %d bits or more", SIGNER_KEY_BITS_MIN);
    else if (!signer_is_valid(s, wall_now))
        err_set(e, ERR_FORMAT, "it is not valid %s; is the clock of this machine right?",
                wall_now < s->from ? "yet" : "any more");
    else
        rc = a ? check_chain(x, all, a, e) : 0;
    sk_X509_INFO_pop_free(all, X509_INFO_free);
    ERR_clear_error();
    if (rc < 0)
        signer_free(&s);
    else
        *out = s;
    return rc;
}

void signer_free(struct signer **sp)
{
    struct signer *s = *sp;

    if (!s)
        return;
    EVP_PKEY_free(s->key);
    MEM_CLEAR(*sp);
}

bool signer_is_valid(const struct signer *s, nsec wall_now)
{
    return wall_now >= s->from && wall_now <= s->until;
}

enum signer_answer signer_signed(const struct signer *s, enum signer_digest digest, const struct slice *parts, size_t n,
                                 struct slice signature)
{
    const EVP_MD *md = digest == SIGNER_SHA1 ? EVP_sha1() : EVP_sha256();
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    enum signer_answer answer = SIGNER_CANNOT;
    bool fine = ctx && EVP_DigestVerifyInit(ctx, NULL, md, NULL, s->key) == 1;

    for (size_t i = 0; fine && i < n; i++)
        fine = parts[i].n == 0 || EVP_DigestVerifyUpdate(ctx, parts[i].p, parts[i].n) == 1;
    if (fine)
        answer =
            EVP_DigestVerifyFinal(ctx, (const unsigned char *)signature.p, signature.n) == 1 ? SIGNER_YES : SIGNER_NO;
    EVP_MD_CTX_free(ctx);
    ERR_clear_error();
    return answer;
}
