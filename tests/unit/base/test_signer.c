/* Who signs, and whether it is his signature: certificates made here, with OpenSSL. */
#include "tests/support/cmocka.h"

#include "pipeline/base/buf.h"
#include "pipeline/base/limits.h"
#include "pipeline/base/signer.h"

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include <string.h>

struct party {
    EVP_PKEY *key;
    X509 *certificate;
    struct buf pem;
};

static void release(struct party *p)
{
    X509_free(p->certificate);
    EVP_PKEY_free(p->key);
    buf_release(&p->pem);
}

/* `by` NULL: itself. `from`, `until`: seconds from now. */
static void make(struct party *p, const char *name, EVP_PKEY *key, const struct party *by, long from, long until)
{
    X509 *x = X509_new();
    X509_NAME *subject = X509_get_subject_name(x);
    BIO *bio = BIO_new(BIO_s_mem());
    X509V3_CTX ctx;
    X509_EXTENSION *ca;
    char *text;
    long n;

    X509_set_version(x, 2);
    ASN1_INTEGER_set(X509_get_serialNumber(x), (long)name[0]);
    X509_gmtime_adj(X509_getm_notBefore(x), from);
    X509_gmtime_adj(X509_getm_notAfter(x), until);
    X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_ASC, (const unsigned char *)name, -1, -1, 0);
    X509_set_issuer_name(x, by ? X509_get_subject_name(by->certificate) : subject);
    X509_set_pubkey(x, key);
    X509V3_set_ctx(&ctx, x, x, NULL, NULL, 0);
    ca = X509V3_EXT_conf_nid(NULL, &ctx, NID_basic_constraints, "critical,CA:TRUE");
    X509_add_ext(x, ca, -1);
    X509_EXTENSION_free(ca);
    assert_true(X509_sign(x, by ? by->key : key, EVP_sha256()) > 0);
    p->key = key;
    p->certificate = x;
    assert_int_equal(PEM_write_bio_X509(bio, x), 1);
    n = BIO_get_mem_data(bio, &text);
    buf_init(&p->pem, 64 * KIB);
    assert_int_equal(buf_add(&p->pem, text, (size_t)n), 0);
    BIO_free(bio);
}

/* Two keys for all: making one takes a while. */
static EVP_PKEY *keys[2];

static EVP_PKEY *rsa(unsigned which)
{
    if (!keys[which])
        keys[which] = EVP_RSA_gen(2048);
    assert_int_equal(EVP_PKEY_up_ref(keys[which]), 1);
    return keys[which];
}

static struct signer *signer_of(struct slice pem, const struct authorities *a, const char *refused)
{
    struct signer *s = NULL;
    struct err e = {.msg = ""};
    int rc = signer_new(&s, pem, a, clock_wall(), &e);

    if (!refused && rc < 0)
        fail_msg("%s", e.msg);
    if (refused && rc == 0)
        fail_msg("not refused: %s", refused);
    if (refused && !strstr(e.msg, refused))
        fail_msg("%s: %s", refused, e.msg);
    return s;
}

static size_t sign(EVP_PKEY *key, const EVP_MD *md, const char *text, unsigned char out[512])
{
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    size_t n = 512;

    assert_int_equal(EVP_DigestSignInit(ctx, NULL, md, NULL, key), 1);
    assert_int_equal(EVP_DigestSign(ctx, out, &n, (const unsigned char *)text, strlen(text)), 1);
    EVP_MD_CTX_free(ctx);
    return n;
}

static void signatures_are_recognised(void **state)
{
    const struct slice parts[] = {SLICE("Message\n"), SLICE(""), SLICE("x\n")}, other[] = {SLICE("Message\ny\n")};
    struct party p = {0}, q = {0};
    unsigned char signature[512];
    struct signer *s, *t;
    struct slice sig;

    (void)state;
    make(&p, "p", rsa(0), NULL, -10, 1000);
    make(&q, "q", rsa(1), NULL, -10, 1000);
    s = signer_of(buf_slice(&p.pem), NULL, NULL);
    t = signer_of(buf_slice(&q.pem), NULL, NULL);
    for (int i = 0; i < 2; i++) {
        enum signer_digest digest = i ? SIGNER_SHA256 : SIGNER_SHA1;

        sig = slice_of((const char *)signature, sign(p.key, i ? EVP_sha256() : EVP_sha1(), "Message\nx\n", signature));
        assert_int_equal(signer_signed(s, digest, parts, 3, sig), SIGNER_YES);
        assert_int_equal(signer_signed(s, digest, other, 1, sig), SIGNER_NO);
        assert_int_equal(signer_signed(t, digest, parts, 3, sig), SIGNER_NO);
        assert_int_equal(signer_signed(s, i ? SIGNER_SHA1 : SIGNER_SHA256, parts, 3, sig), SIGNER_NO);
        assert_int_equal(signer_signed(s, digest, parts, 3, slice_of(sig.p, sig.n - 1)), SIGNER_NO);
        assert_int_equal(signer_signed(s, digest, parts, 3, SLICE("")), SIGNER_NO);
        signature[7] ^= 1;
        assert_int_equal(signer_signed(s, digest, parts, 3, sig), SIGNER_NO);
    }
    signer_free(&s);
    signer_free(&t);
    release(&p);
    release(&q);
}

static void an_authority_must_have_issued_it(void **state)
{
    struct party root = {0}, between = {0}, leaf = {0}, stranger = {0};
    struct authorities *a = authorities_new();
    struct signer *s;
    struct buf chain;
    struct err e;

    (void)state;
    make(&root, "root", rsa(0), NULL, -10, 1000);
    make(&between, "between", rsa(1), &root, -10, 1000);
    make(&leaf, "leaf", rsa(0), &between, -10, 1000);
    make(&stranger, "stranger", rsa(1), NULL, -10, 1000);
    buf_init(&chain, 64 * KIB);
    assert_int_equal(buf_add_slice(&chain, buf_slice(&leaf.pem)) + buf_add_slice(&chain, buf_slice(&between.pem)), 0);
    assert_int_equal(authorities_add(a, buf_slice(&root.pem), &e), 0);
    assert_int_equal(authorities_end(a, &e), 0);

    s = signer_of(buf_slice(&chain), a, NULL);
    signer_free(&s);
    s = signer_of(buf_slice(&leaf.pem), a, NULL); /* it stands alone, as SNS's does */
    signer_free(&s);
    (void)signer_of(buf_slice(&stranger.pem), a, "no authority");
    authorities_leave(a);

    a = authorities_new();
    assert_int_equal(authorities_add(a, buf_slice(&stranger.pem), &e), 0);
    assert_int_equal(authorities_end(a, &e), 0);
    (void)signer_of(buf_slice(&chain), a, "no authority");
    authorities_leave(a);
    buf_release(&chain);
    release(&root);
    release(&between);
    release(&leaf);
    release(&stranger);
}

static void what_is_of_no_use_is_refused(void **state)
{
    struct party p = {0};

    (void)state;
    (void)signer_of(SLICE(""), NULL, "it is no certificate");
    (void)signer_of(SLICE("<html>"), NULL, "it is no certificate");
    (void)signer_of(SLICE("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"), NULL,
                    "it is no certificate");
    make(&p, "short", EVP_RSA_gen(1024), NULL, -10, 1000);
    (void)signer_of(buf_slice(&p.pem), NULL, "no RSA key");
    release(&p);
    make(&p, "curve", EVP_EC_gen("P-256"), NULL, -10, 1000);
    (void)signer_of(buf_slice(&p.pem), NULL, "no RSA key");
    release(&p);
    make(&p, "old", rsa(0), NULL, -1000, -10);
    (void)signer_of(buf_slice(&p.pem), NULL, "not valid any more");
    release(&p);
    make(&p, "new", rsa(0), NULL, 1000, 2000);
    (void)signer_of(buf_slice(&p.pem), NULL, "not valid yet");
    release(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(signatures_are_recognised),
        cmocka_unit_test(an_authority_must_have_issued_it),
        cmocka_unit_test(what_is_of_no_use_is_refused),
    };

    int failed = cmocka_run_group_tests(tests, NULL, NULL);

    EVP_PKEY_free(keys[0]);
    EVP_PKEY_free(keys[1]);
    return failed;
}
