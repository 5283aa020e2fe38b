/* made_certificate.h -- keys and certificates made on the spot, as PEM files. */
#ifndef TESTS_UNIT_HTTP_MADE_CERTIFICATE_H
#define TESTS_UNIT_HTTP_MADE_CERTIFICATE_H

#include "tests/support/cmocka.h"

#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

#include <stdio.h>
#include <string.h>

/* One that signs itself, for 1 day. */
static X509 *certificate_made(EVP_PKEY *key, const char *name)
{
    X509 *x = X509_new();
    X509_NAME *subject = X509_get_subject_name(x);

    X509_set_version(x, X509_VERSION_3);
    ASN1_INTEGER_set(X509_get_serialNumber(x), 1);
    X509_gmtime_adj(X509_getm_notBefore(x), 0);
    X509_gmtime_adj(X509_getm_notAfter(x), 24L * 3600);
    X509_set_pubkey(x, key);
    X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_ASC, (const unsigned char *)name, -1, -1, 0);
    X509_set_issuer_name(x, subject);
    assert_true(X509_sign(x, key, EVP_sha256()) > 0);
    return x;
}

/* Writes both. `password`: of the key; NULL: none. */
static inline void make_certificate(const char *cert_path, const char *key_path, const char *name, const char *password)
{
    EVP_PKEY *key = EVP_EC_gen("P-256");
    X509 *x = certificate_made(key, name);
    FILE *cert = fopen(cert_path, "w"), *f = fopen(key_path, "w");

    assert_true(cert && f);
    assert_int_equal(PEM_write_X509(cert, x), 1);
    assert_int_equal(PEM_write_PrivateKey(f, key, password ? EVP_aes_128_cbc() : NULL, (const unsigned char *)password,
                                          password ? (int)strlen(password) : 0, NULL, NULL),
                     1);
    fclose(cert);
    fclose(f);
    X509_free(x);
    EVP_PKEY_free(key);
}

#endif
