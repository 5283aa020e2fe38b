/* Which addresses may be asked: a table of tricks. */
#include "tests/support/cmocka.h"

#include "pipeline/base/limits.h"
#include "pipeline/inputs/sns/address.h"

#include <string.h>

#define PEM "/SimpleNotificationService-010a507c1833636cd94bdb98bd93083a.pem"

static const struct {
    const char *url;
    bool fits;
} CERTIFICATES[] = {
    {"https://sns.us-east-1.amazonaws.com" PEM, true},
    {"https://sns.cn-north-1.amazonaws.com.cn" PEM, true},
    {"https://sns.us-gov-west-1.amazonaws.com" PEM, true},
    {"http://sns.us-east-1.amazonaws.com" PEM, false},
    {"HTTPS://sns.us-east-1.amazonaws.com" PEM, false},
    {"https://sns.us-east-1.amazonaws.com:443" PEM, false},
    {"https://sns.us-east-1.amazonaws.com:8443" PEM, false},
    {"https://user@sns.us-east-1.amazonaws.com" PEM, false},
    {"https://sns.us-east-1.amazonaws.com@evil.com" PEM, false},
    {"https://sns.us-east-1.amazonaws.com.evil.com" PEM, false},
    {"https://sns.us-east-1.amazonaws.com.cn.evil.com" PEM, false},
    {"https://evil.com/https://sns.us-east-1.amazonaws.com" PEM, false},
    {"https://sns.evil.com/.us-east-1.amazonaws.com" PEM, false},
    {"https://sns.us-east-1.amazonawsXcom" PEM, false},
    {"https://xsns.us-east-1.amazonaws.com" PEM, false},
    {"https://s3.us-east-1.amazonaws.com" PEM, false},
    {"https://sns.us.east.amazonaws.com" PEM, false},
    {"https://sns.us.amazonaws.com" PEM, false},
    {"https://sns..amazonaws.com" PEM, false},
    {"https://sns.us_east_1.amazonaws.com" PEM, false},
    {"https://sns.ap-southeast-2.amazonaws.com" PEM, true},
    {"https://sns.us-iso-east-10.amazonaws.com" PEM, true},
    /* a bucket of S3 that is named sns */
    {"https://sns.s3.amazonaws.com" PEM, false},
    {"https://sns.s3-us-west-2.amazonaws.com" PEM, false},
    {"https://sns.s3-external-1.amazonaws.com" PEM, false},
    {"https://sns.s3-accelerate.amazonaws.com" PEM, false},
    {"https://sns.s3-website-us-east-1.amazonaws.com" PEM, false},
    {"https://sns.US-EAST-1.amazonaws.com" PEM, false},
    {"https://sns.us-east.amazonaws.com" PEM, false},
    {"https://sns.us-1.amazonaws.com" PEM, false},
    {"https://sns.us-east-1a.amazonaws.com" PEM, false},
    {"https://sns.us--east-1.amazonaws.com" PEM, false},
    {"https://sns.-us-east-1.amazonaws.com" PEM, false},
    {"https://sns.us-east-", false},
    {"https://sns.us-east-1.amazonaws.com/other.pem", false},
    {"https://sns.us-east-1.amazonaws.com/SimpleNotificationService-.pem", false},
    {"https://sns.us-east-1.amazonaws.com/SimpleNotificationService-a/../b.pem", false},
    {"https://sns.us-east-1.amazonaws.com/SimpleNotificationService-a.pem?x", false},
    {"https://sns.us-east-1.amazonaws.com/SimpleNotificationService-a.pem#x", false},
    {"https://sns.us-east-1.amazonaws.com/?Action=x&y=SimpleNotificationService-a.pem", false},
    {"https://sns.us-east-1.amazonaws.com/SimpleNotificationService-a.pem ", false},
    {"https://sns.us-east-1.amazonaws.com\\@evil.com" PEM, false},
    {"https://sns.us-east-1.amazonaws.com", false},
    {"", false},
};

static void certificates_are_from_sns(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(CERTIFICATES); i++)
        if (sns_address_fits(slice_str(CERTIFICATES[i].url), SNS_ADDRESS_CERTIFICATE, NULL) != CERTIFICATES[i].fits)
            fail_msg("%s: not %d", CERTIFICATES[i].url, CERTIFICATES[i].fits);
    assert_false(sns_address_fits(slice_of("https://sns.us-east-1.amazonaws.com\0.evil.com" PEM, 60),
                                  SNS_ADDRESS_CERTIFICATE, NULL));
}

static void confirmations_are_asked_of_sns(void **state)
{
    const enum sns_address what = SNS_ADDRESS_CONFIRMATION;

    (void)state;
    assert_true(sns_address_fits(SLICE("https://sns.us-west-2.amazonaws.com/"
                                       "?Action=ConfirmSubscription&TopicArn=arn:aws:sns:us-west-2:1:t&Token=2"),
                                 what, NULL));
    assert_false(sns_address_fits(SLICE("https://sns.us-west-2.amazonaws.com/?Action=Publish&x"), what, NULL));
    assert_false(sns_address_fits(SLICE("https://evil.com/?Action=ConfirmSubscription&x"), what, NULL));
    assert_false(
        sns_address_fits(SLICE("https://sns.s3-us-west-2.amazonaws.com/?Action=ConfirmSubscription&x"), what, NULL));
    assert_false(sns_address_fits(SLICE("http://169.254.169.254/latest/meta-data"), what, NULL));
}

static void another_server_is_itself_only(void **state)
{
    const char *prefix = "http://127.0.0.1:4566/_aws/";

    (void)state;
    assert_true(sns_address_fits(SLICE("http://127.0.0.1:4566/_aws/x.pem"), SNS_ADDRESS_CERTIFICATE, prefix));
    assert_false(sns_address_fits(SLICE("http://127.0.0.1:4566/x.pem"), SNS_ADDRESS_CERTIFICATE, prefix));
    assert_true(sns_address_fits(SLICE("http://127.0.0.1:4566/?Action=x"), SNS_ADDRESS_CONFIRMATION, prefix));
    assert_false(sns_address_fits(SLICE("http://127.0.0.1:4566@evil/"), SNS_ADDRESS_CONFIRMATION, prefix));
    assert_false(sns_address_fits(SLICE("http://127.0.0.1:45660/"), SNS_ADDRESS_CONFIRMATION, prefix));
    assert_false(sns_address_fits(SLICE("https://sns.us-east-1.amazonaws.com" PEM), SNS_ADDRESS_CERTIFICATE, prefix));
}

static void a_prefix_ends_a_host(void **state)
{
    static const char *const no[] = {
        "http://127.0.0.1:4566", "ftp://h/", "127.0.0.1/", "http://u@h/", "http:///", "https:///x", "http://h /"};
    struct err e;

    (void)state;
    assert_int_equal(sns_prefix_check("http://127.0.0.1:4566/", &e), 0);
    assert_int_equal(sns_prefix_check("https://sns.local/x/", &e), 0);
    for (size_t i = 0; i < ARRAY_LEN(no); i++)
        if (sns_prefix_check(no[i], &e) == 0)
            fail_msg("%s is taken", no[i]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(certificates_are_from_sns),
        cmocka_unit_test(confirmations_are_asked_of_sns),
        cmocka_unit_test(another_server_is_itself_only),
        cmocka_unit_test(a_prefix_ends_a_host),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
