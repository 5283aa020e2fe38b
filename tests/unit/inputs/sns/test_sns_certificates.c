/* Certificates that come, cannot be had and make room for one another; the test is the fetcher. */
#include "tests/support/cmocka.h"

#include "pipeline/inputs/sns/certificates.h"

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>

#include <stdio.h>
#include <string.h>

struct waiter {
    struct sns_waiter w;
    unsigned suspended, resumed;
};

struct rig {
    struct sns_fetcher fetcher;
    struct sns_certificates all;
    struct waiter waiter;
    struct buf pem;
    nsec now; /* mono; it stands still but for a tick a question, so what is no good stays so */
    unsigned news, fetches;
    struct sns_certificate *got;
    char why[256];
};

static void make_pem(struct buf *pem)
{
    EVP_PKEY *key = EVP_RSA_gen(2048);
    BIO *bio = BIO_new(BIO_s_mem());
    X509 *x = X509_new();
    char *text;
    long n;

    X509_set_version(x, 2);
    ASN1_INTEGER_set(X509_get_serialNumber(x), 1);
    X509_gmtime_adj(X509_getm_notBefore(x), -1000);
    X509_gmtime_adj(X509_getm_notAfter(x), 100000);
    X509_NAME_add_entry_by_txt(X509_get_subject_name(x), "CN", MBSTRING_ASC, (const unsigned char *)"sns", -1, -1, 0);
    X509_set_issuer_name(x, X509_get_subject_name(x));
    X509_set_pubkey(x, key);
    assert_true(X509_sign(x, key, EVP_sha256()) > 0);
    assert_int_equal(PEM_write_bio_X509(bio, x), 1);
    n = BIO_get_mem_data(bio, &text);
    buf_init(pem, SNS_CERTIFICATE_MAX);
    assert_int_equal(buf_add(pem, text, (size_t)n), 0);
    X509_free(x);
    BIO_free(bio);
    EVP_PKEY_free(key);
}

static void on_news(void *ctx, const struct sns_certificate *c)
{
    struct rig *r = ctx;

    (void)c;
    r->news++;
}

static void on_suspend(struct sns_waiter *w)
{
    CONTAINER_OF(w, struct waiter, w)->suspended++;
}

static void on_resume(struct sns_waiter *w)
{
    CONTAINER_OF(w, struct waiter, w)->resumed++;
}

static void idle(struct input_thread *t, void *arg)
{
    (void)arg;
    while (!input_thread_ends(t))
        input_thread_wait(t, NSEC_NEVER);
}

static void open_rig(struct rig *r)
{
    const struct input_thread_conf conf = {.stream = "app", .input = "sns", .run = idle};
    struct err e;

    *r = (struct rig){.waiter.w = {.suspend = on_suspend, .resume = on_resume}, .now = clock_mono()};
    make_pem(&r->pem);
    pthread_mutex_init(&r->fetcher.lock, NULL);
    for (size_t i = 0; i < SNS_FETCHES; i++)
        buf_init(&r->fetcher.list[i].answer, SNS_CERTIFICATE_MAX);
    assert_int_equal(input_thread_start(&r->fetcher.thread, &conf, &e), 0);
    sns_certificates_init(&r->all, &r->fetcher, true, on_news, r);
}

static void close_rig(struct rig *r)
{
    sns_certificates_release(&r->all);
    input_thread_stop(r->fetcher.thread);
    assert_true(input_thread_ended(r->fetcher.thread, NSEC_NEVER));
    input_thread_free(&r->fetcher.thread);
    for (size_t i = 0; i < SNS_FETCHES; i++)
        buf_release(&r->fetcher.list[i].answer);
    pthread_mutex_destroy(&r->fetcher.lock);
    buf_release(&r->pem);
}

static enum sns_certificate_answer ask_for(struct rig *r, const char *url, struct waiter *w)
{
    return sns_certificates_ask(&r->all, slice_str(url), &w->w, r->now++, clock_wall(), &r->got, r->why);
}

static enum sns_certificate_answer ask(struct rig *r, const char *url)
{
    return ask_for(r, url, &r->waiter);
}

/* All that is due is answered. */
static void answer(struct rig *r, int status)
{
    for (size_t i = 0; i < SNS_FETCHES; i++) {
        struct sns_fetch *x = &r->fetcher.list[i];

        if (x->step != SNS_FETCH_DUE)
            continue;
        r->fetches++;
        x->status = status;
        snprintf(x->why, sizeof(x->why), "%s", status == 200 ? "" : "it is not there");
        buf_clear(&x->answer);
        if (status == 200)
            assert_int_equal(buf_add_slice(&x->answer, buf_slice(&r->pem)), 0);
        x->done(x->ctx, x);
        x->step = SNS_FETCH_FREE;
    }
}

/* It is there, without a fetch. */
static void expect_good(struct rig *r, const char *url, bool proven)
{
    assert_int_equal(ask(r, url), SNS_ASK_GOOD);
    assert_string_equal(r->got->url, url);
    assert_non_null(r->got->signer);
    sns_certificates_give_back(r->got, proven);
}

static void who_asks_waits_until_it_is_there(void **state)
{
    struct rig r;

    (void)state;
    open_rig(&r);
    assert_int_equal(ask(&r, "a"), SNS_ASK_WAITS);
    assert_int_equal(r.waiter.suspended, 1);
    assert_int_equal(r.waiter.resumed, 0);
    answer(&r, 200);
    assert_int_equal(r.waiter.resumed, 1);
    expect_good(&r, "a", false);
    assert_int_equal(ask(&r, "b"), SNS_ASK_WAITS);
    answer(&r, 404);
    assert_int_equal(r.waiter.resumed, 2);
    assert_int_equal(ask(&r, "b"), SNS_ASK_LATER); /* and nobody is asked again so soon */
    assert_non_null(strstr(r.why, "it is not there"));
    expect_good(&r, "a", false);
    assert_int_equal(r.news, 2);
    assert_int_equal(r.fetches, 2);
    close_rig(&r);
}

/* `status`: of what a stranger names, more than there is room for. */
static void flood(struct rig *r, int status)
{
    char url[32];

    for (int i = 0; i < 3 * SNS_CERTIFICATES; i++) {
        snprintf(url, sizeof(url), "%d-%d", status, i);
        assert_int_equal(ask(r, url), SNS_ASK_WAITS);
        answer(r, status);
        assert_int_equal(ask(r, url), status == 200 ? SNS_ASK_GOOD : SNS_ASK_LATER);
        if (status == 200)
            sns_certificates_give_back(r->got, false);
    }
}

static void strangers_push_out_only_each_other(void **state)
{
    struct rig r;

    (void)state;
    open_rig(&r);
    assert_int_equal(ask(&r, "ours"), SNS_ASK_WAITS);
    answer(&r, 200);
    flood(&r, 404); /* although nothing is proven yet */
    expect_good(&r, "ours", true);
    flood(&r, 200);
    expect_good(&r, "ours", true);
    close_rig(&r);
}

/* The certificate that would have to go stays when the other cannot be fetched. */
static void when_all_fetches_are_taken_nothing_is_forgotten(void **state)
{
    struct waiter others[SNS_FETCHES];
    char url[32];
    struct rig r;

    (void)state;
    open_rig(&r);
    for (int i = 0; i < SNS_CERTIFICATES; i++) {
        snprintf(url, sizeof(url), "good-%d", i);
        assert_int_equal(ask(&r, url), SNS_ASK_WAITS);
        answer(&r, 200);
    }
    for (int i = 0; i < SNS_FETCHES; i++) {
        others[i] = (struct waiter){.w = {.suspend = on_suspend, .resume = on_resume}};
        snprintf(url, sizeof(url), "slow-%d", i);
        assert_int_equal(ask_for(&r, url, &others[i]), SNS_ASK_WAITS);
    }
    assert_int_equal(ask(&r, "one more"), SNS_ASK_LATER);
    assert_non_null(strstr(r.why, "other certificates"));
    for (int i = SNS_FETCHES; i < SNS_CERTIFICATES; i++) {
        snprintf(url, sizeof(url), "good-%d", i);
        expect_good(&r, url, false);
    }
    answer(&r, 404);
    for (int i = 0; i < SNS_FETCHES; i++)
        assert_int_equal(others[i].resumed, 1);
    close_rig(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(who_asks_waits_until_it_is_there),
        cmocka_unit_test(strangers_push_out_only_each_other),
        cmocka_unit_test(when_all_fetches_are_taken_nothing_is_forgotten),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
