/* What is asked of a certificate beside whether it is one. */
#include "tests/unit/http/made_certificate.h"

#include "pipeline/base/certificates.h"

#include <stdlib.h>
#include <time.h>

/* PEM of one that is valid until then; the caller frees it. */
static char *pem_until(const char *until)
{
    EVP_PKEY *key = EVP_EC_gen("P-256");
    X509 *x = certificate_made(key, "server");
    BIO *bio = BIO_new(BIO_s_mem());
    char *text, *copy;
    long n;

    assert_int_equal(ASN1_TIME_set_string(X509_getm_notBefore(x), "20240229120000Z"), 1);
    assert_int_equal(ASN1_TIME_set_string(X509_getm_notAfter(x), until), 1);
    assert_int_equal(PEM_write_bio_X509(bio, x), 1);
    n = BIO_get_mem_data(bio, &text);
    copy = strndup(text, (size_t)n);
    BIO_free(bio);
    X509_free(x);
    EVP_PKEY_free(key);
    return copy;
}

static void test_its_times(void **state)
{
    char *some = pem_until("20300101000000Z"), *none = pem_until("99991231235959Z");
    nsec from, until;
    struct err e;

    (void)state;
    assert_int_equal(certificate_times(slice_str(some), &from, &until, &e), 0);
    assert_int_equal(from, 1709208000 * NSEC_PER_SEC);
    assert_int_equal(until, 1893456000 * NSEC_PER_SEC);
    assert_int_equal(certificate_times(slice_str(none), &from, &until, &e), 0);
    assert_int_equal(until, NSEC_NEVER);
    assert_int_equal(certificate_times(SLICE("nothing"), &from, &until, &e), -1);
    free(some);
    free(none);
}

static void test_the_first_of_several(void **state)
{
    char *one = pem_until("20300101000000Z"), *all;
    struct slice first;

    (void)state;
    assert_true(asprintf(&all, "about it\n%s%s", one, one) > 0);
    first = certificate_first(slice_str(all));
    assert_int_equal(first.n, strlen("about it\n") + strlen(one) - 1);
    assert_memory_equal(first.p, all, first.n);
    first = certificate_first(SLICE("nothing"));
    assert_int_equal(first.n, strlen("nothing"));
    free(all);
    free(one);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_its_times),
        cmocka_unit_test(test_the_first_of_several),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
