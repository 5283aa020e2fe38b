/* Listings of a bucket as stores answer them, and as nobody should. */
#include "tests/support/cmocka.h"

#include "pipeline/base/compiler.h"
#include "sinks/s3/list.h"

#include <stdio.h>
#include <string.h>

#define HEAD                                                                                                           \
    "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<ListBucketResult "                                                   \
    "xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"><Name>logs</Name>"
#define LAST        "<IsTruncated>false</IsTruncated>"
#define END         "</ListBucketResult>"
#define OBJECT(key) "<Contents><Key>" key "</Key></Contents>"

static void what_is_asked_is_in_canonical_order(void **state)
{
    static const struct {
        const char *prefix, *token, *want;
    } cases[] = {
        {"", "", "encoding-type=url&list-type=2&prefix="},
        {"a/b c+&", "", "encoding-type=url&list-type=2&prefix=a%2Fb%20c%2B%26"},
        {"x", "1/=+", "continuation-token=1%2F%3D%2B&encoding-type=url&list-type=2&prefix=x"},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct buf out;

        buf_init(&out, 1024);
        assert_int_equal(s3_list_query(slice_str(cases[i].prefix), slice_str(cases[i].token), &out), 0);
        assert_string_equal(buf_cstr(&out), cases[i].want);
        buf_release(&out);
    }
}

/* One object, told as "key size modified" and behind it "more: token". */
static void show(const struct s3_list_page *page, struct buf *out)
{
    for (size_t i = 0; i < page->count; i++) {
        const struct s3_list_object *o = s3_list_at(page, i);
        long long seconds = o->modified == NSEC_NEVER ? -1 : (long long)(o->modified / NSEC_PER_SEC);

        assert_int_equal(buf_add_slice(out, s3_list_key(page, i)), 0);
        assert_int_equal(buf_printf(out, " %llu %lld;", (unsigned long long)o->size, seconds), 0);
    }
    if (page->next.n > 0)
        assert_int_equal(buf_printf(out, " more: %.*s", (int)page->next.n, page->next.p), 0);
}

static void listings_are_read(void **state)
{
    static const struct {
        const char *xml, *want;
    } cases[] = {
        {HEAD LAST END, ""},
        {HEAD LAST OBJECT("a") OBJECT("b/c") END "\n", "a 0 -1;b/c 0 -1;"},
        {"\xef\xbb\xbf" HEAD LAST END "<!-- bye -->", ""},
        {HEAD "<Contents><LastModified>2026-07-13T14:05:09.123Z</LastModified><Key>k</Key><Size>17</Size>"
              "<Owner><ID>Key</ID><Key>no</Key></Owner></Contents>" LAST END,
         "k 17 1783951509;"},
        {HEAD "<Contents><Key>k</Key><Size>-1</Size><LastModified>today</LastModified></Contents>" LAST END, "k 0 -1;"},
        {HEAD "<IsTruncated>true</IsTruncated><NextContinuationToken>a&lt;/+=</NextContinuationToken>" OBJECT("k") END,
         "k 0 -1; more: a</+="},
        {HEAD LAST "<NextContinuationToken>unused</NextContinuationToken>" END, ""},
        {HEAD LAST "<Prefix/><Contents ><Key x='>'>k</Key ><Size/></Contents>" END, "k 0 -1;"},
        {HEAD LAST "<CommonPrefixes><Prefix>p/</Prefix></CommonPrefixes><Key>no</Key>" END, ""},
        {HEAD LAST OBJECT("a&amp;b&#x26;&#38;&quot;&apos;&lt;&gt;&#xE9;&#x1F600;&#10;") END,
         "a&b&&\"'<>\xc3\xa9\xf0\x9f\x98\x80\n 0 -1;"},
        {HEAD LAST OBJECT("a%20b+c%2b") END, "a%20b+c%2b 0 -1;"},
        {HEAD LAST OBJECT("a%20b+c%2b%FF%26") "<EncodingType>url</EncodingType>" END, "a b c+\xff& 0 -1;"},
        {HEAD LAST "<EncodingType>url</EncodingType>" OBJECT("%2E%2e/..") OBJECT("b") END, "../.. 0 -1;b 0 -1;"},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct s3_list_page page;
        struct buf got;
        struct err e = {0};

        s3_list_page_init(&page);
        buf_init(&got, 4096);
        if (s3_list_read(slice_str(cases[i].xml), SLICE(""), &page, &e) < 0)
            fail_msg("%s: %s", cases[i].xml, e.msg);
        show(&page, &got);
        assert_string_equal(buf_cstr(&got), cases[i].want);
        buf_release(&got);
        s3_list_page_release(&page);
    }
}

static void what_is_no_listing_is_told(void **state)
{
    static const struct {
        const char *xml, *why;
    } cases[] = {
        {"", "no listing of a bucket"},
        {"\n", "no listing of a bucket"},
        {"<!DOCTYPE html><html><body>hello</body></html>", "no listing of a bucket"},
        {"<html><body>hello</body></html>", "no listing of a bucket"},
        {"{\"ListBucketResult\":{}}", "no listing of a bucket"},
        {"\x1f\x8b\x08", "no listing of a bucket"},
        {"<Error><Code>AccessDenied</Code></Error>", "no listing of a bucket"},
        {"<!DOCTYPE x [<!ENTITY a \"b\">]>" HEAD LAST END, "no listing of a bucket"},
        {"<x>" HEAD LAST END "</x>", "no listing of a bucket"},
        {"junk" HEAD LAST END, "no listing of a bucket"},
        {HEAD LAST, "breaks off"},
        {HEAD LAST OBJECT("a") "<Contents><Key>b</Key>", "behind 1 object"},
        {HEAD LAST "<Contents><Key>b", "breaks off"},
        {HEAD LAST "</ListBucketResul", "breaks off"},
        {HEAD LAST "<!-- " END, "breaks off"},
        {HEAD LAST "<Contents><Key>b</Contents></Key>" END, "breaks off"},
        {HEAD LAST END "junk", "breaks off"},
        {HEAD LAST END HEAD LAST END, "breaks off"},
        {HEAD LAST "<>" END, "breaks off"},
        {HEAD LAST "<a <b>>" END, "breaks off"},
        {HEAD LAST "<Key a='" END, "breaks off"},
        {HEAD LAST "<![CDATA[x]]>" END, "breaks off"},
        {HEAD LAST "<a><a><a><a><a><a><a><a><a><a><a><a><a><a><a><a><a><a>", "breaks off"},
        {HEAD LAST "<Contents><Size>1</Size></Contents>" END, "no key"},
        {HEAD LAST "<Contents/>" END, "no key"},
        {HEAD LAST "<Contents><Key/></Contents>" END, "no key"},
        {HEAD LAST "<Contents><Key>a</Key><Key>b</Key></Contents>" END, "two keys"},
        {HEAD LAST OBJECT("a&nbsp;b") END, "cannot be read"},
        {HEAD LAST OBJECT("a&b") END, "cannot be read"},
        {HEAD LAST OBJECT("a&#;b") END, "cannot be read"},
        {HEAD LAST OBJECT("a&#x;b") END, "cannot be read"},
        {HEAD LAST OBJECT("a&#0;b") END, "cannot be read"},
        {HEAD LAST OBJECT("a&#xd800;") END, "cannot be read"},
        {HEAD LAST OBJECT("a&#x110000;") END, "cannot be read"},
        {HEAD LAST OBJECT("a&#99999999;") END, "cannot be read"},
        {HEAD LAST OBJECT("a&#1a;") END, "cannot be read"},
        {HEAD LAST OBJECT("a&amp") END, "cannot be read"},
        {HEAD LAST OBJECT("a<!-- b -->c") END, "cannot be read"},
        {HEAD LAST "<EncodingType>url</EncodingType>" OBJECT("a%2") END, "not in URL encoding"},
        {HEAD LAST "<EncodingType>url</EncodingType>" OBJECT("a%2g") END, "not in URL encoding"},
        {HEAD LAST "<EncodingType>url</EncodingType>" OBJECT("a%g2") END, "not in URL encoding"},
        {HEAD LAST "<EncodingType>url</EncodingType>" OBJECT("a%\x12\x13") END, "cannot be read"},
        {HEAD OBJECT("a") END, "IsTruncated"},
        {HEAD "<IsTruncated>1</IsTruncated>" END, "IsTruncated"},
        {HEAD "<IsTruncated>true</IsTruncated>" OBJECT("a") END, "no continuation token"},
        {HEAD "<IsTruncated>true</IsTruncated><NextContinuationToken/>" END, "no continuation token"},
        {HEAD "<IsTruncated>true</IsTruncated><NextContinuationToken>&x;</NextContinuationToken>" END, "unreadable"},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct s3_list_page page;
        struct err e = {0};

        s3_list_page_init(&page);
        if (s3_list_read(slice_str(cases[i].xml), SLICE(""), &page, &e) == 0 || !strstr(e.msg, cases[i].why))
            fail_msg("%s: `%s`, not `%s`", cases[i].xml, e.msg, cases[i].why);
        s3_list_page_release(&page);
    }
}

static void a_listing_cut_anywhere_is_an_error(void **state)
{
    static const char whole[] = HEAD LAST "<EncodingType>url</EncodingType>" OBJECT("a%20b") OBJECT("a&amp;c") END;
    struct s3_list_page page;
    struct err e;

    (void)state;
    s3_list_page_init(&page);
    for (size_t n = 0; n < sizeof(whole) - 1; n++)
        if (s3_list_read(slice_of(whole, n), SLICE(""), &page, &e) == 0)
            fail_msg("taken: %.*s", (int)n, whole);
    assert_int_equal(s3_list_read(slice_of(whole, sizeof(whole) - 1), SLICE("a"), &page, &e), 0);
    s3_list_page_release(&page);
}

static void keys_that_were_not_asked_for_or_are_too_long_are_told(void **state)
{
    struct s3_list_page page;
    struct err e = {0};
    char xml[8192], key[2048];

    (void)state;
    s3_list_page_init(&page);
    assert_int_equal(s3_list_read(slice_str(HEAD LAST OBJECT("a/b") END), SLICE("a/"), &page, &e), 0);
    assert_int_equal(s3_list_read(slice_str(HEAD LAST OBJECT("a/b") OBJECT("b/a") END), SLICE("a/"), &page, &e), -1);
    assert_non_null(strstr(e.msg, "not asked for: `b/a`"));
    for (size_t n = S3_KEY_MAX; n <= S3_KEY_MAX + 1; n++) {
        memset(key, 'k', n);
        key[n] = '\0';
        snprintf(xml, sizeof(xml), HEAD LAST "<Contents><Key>%s</Key></Contents>" END, key);
        assert_int_equal(s3_list_read(slice_str(xml), SLICE(""), &page, &e), n == S3_KEY_MAX ? 0 : -1);
    }
    assert_non_null(strstr(e.msg, "more than 1024 bytes"));
    s3_list_page_release(&page);
}

static void a_page_is_forgotten_when_the_next_one_is_read(void **state)
{
    struct s3_list_page page;
    struct err e;

    (void)state;
    s3_list_page_init(&page);
    assert_int_equal(s3_list_read(SLICE(HEAD "<IsTruncated>true</IsTruncated>"
                                             "<NextContinuationToken>t</NextContinuationToken>" OBJECT("a") END),
                                  SLICE(""), &page, &e),
                     0);
    assert_int_equal(s3_list_read(SLICE(HEAD LAST OBJECT("b") END), SLICE(""), &page, &e), 0);
    assert_int_equal(page.count, 1);
    assert_true(slice_is(s3_list_key(&page, 0), "b"));
    assert_int_equal(page.next.n, 0);
    s3_list_page_release(&page);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_asked_is_in_canonical_order),
        cmocka_unit_test(listings_are_read),
        cmocka_unit_test(what_is_no_listing_is_told),
        cmocka_unit_test(a_listing_cut_anywhere_is_an_error),
        cmocka_unit_test(keys_that_were_not_asked_for_or_are_too_long_are_told),
        cmocka_unit_test(a_page_is_forgotten_when_the_next_one_is_read),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
