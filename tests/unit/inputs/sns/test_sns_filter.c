/* Filter policies: the examples of AWS's documentation and their kin, as tables. */
#include "tests/support/cmocka.h"

#include "pipeline/base/limits.h"
#include "pipeline/base/mem.h"
#include "pipeline/inputs/sns/filter.h"

#include <stdio.h>
#include <string.h>

static struct sns_filter *make(const char *policy, enum sns_scope scope)
{
    struct sns_filter *f = NULL;
    struct err e = {.msg = ""};

    if (sns_filter_new(&f, slice_str(policy), scope, &e) < 0)
        fail_msg("%s: %s", policy, e.msg);
    return f;
}

/* One attribute `key`. */
static const struct {
    const char *rules, *type, *value;
    bool matches;
} ATTRIBUTES[] = {
    /* exact */
    {"[\"rugby\", \"tennis\"]", "String", "rugby", true},
    {"[\"rugby\", \"tennis\"]", "String", "tennis", true},
    {"[\"rugby\", \"tennis\"]", "String.Array", "[\"rugby\", \"tennis\"]", true},
    {"[\"rugby\", \"tennis\"]", "String.Array", "[\"rugby\", \"baseball\"]", true},
    {"[\"rugby\", \"tennis\"]", "String", "baseball", false},
    {"[\"rugby\", \"tennis\"]", "String.Array", "[\"baseball\"]", false},
    {"[\"rugby\"]", "String", "Rugby", false},
    {"[\"rugby\"]", "Binary", "rugby", false},
    {"[\"r\\u0075gby\"]", "String", "rugby", true},
    {"[301.5]", "Number", "301.5", true},
    {"[301.5]", "Number", "3.015e2", true},
    {"[301.5]", "String", "301.5", false},
    {"[\"301.5\"]", "Number", "301.5", false},
    {"[301.5]", "String.Array", "[1, 301.50]", true},
    {"[true]", "String.Array", "[true]", true},
    {"[true]", "String.Array", "[\"true\"]", false},
    {"[null]", "String.Array", "[null]", true},
    {"[\"x\"]", "String.Array", "not json", false},
    {"[\"x\"]", "String.Array", "\"x\"", false},
    {"[5]", "Number", "nan", false},
    {"[5]", "Number", "", false},
    /* anything-but */
    {"[{\"anything-but\": [\"rugby\", \"tennis\"]}]", "String", "baseball", true},
    {"[{\"anything-but\": [\"rugby\", \"tennis\"]}]", "String", "rugby", false},
    {"[{\"anything-but\": [\"rugby\", \"tennis\"]}]", "String.Array", "[\"rugby\", \"baseball\"]", true},
    {"[{\"anything-but\": [\"rugby\", \"tennis\"]}]", "String.Array", "[\"rugby\"]", false},
    {"[{\"anything-but\": \"rugby\"}]", "String", "rugby", false},
    {"[{\"anything-but\": \"rugby\"}]", "String", "", true},
    {"[{\"anything-but\": [100, 500]}]", "Number", "101", true},
    {"[{\"anything-but\": [100, 500]}]", "Number", "100", false},
    {"[{\"anything-but\": [100, 500]}]", "String.Array", "[100, 50]", true},
    {"[{\"anything-but\": {\"prefix\": \"order-\"}}]", "String", "data-entry", true},
    {"[{\"anything-but\": {\"prefix\": \"order-\"}}]", "String", "order-cancelled", false},
    {"[{\"anything-but\": {\"prefix\": [\"order-\", \"data-\"]}}]", "String", "data-entry", false},
    {"[{\"anything-but\": {\"suffix\": \"ball\"}}]", "String", "rugby", true},
    {"[{\"anything-but\": {\"suffix\": \"ball\"}}]", "String", "baseball", false},
    {"[{\"anything-but\": {\"wildcard\": \"*ball\"}}]", "String", "hockey", true},
    {"[{\"anything-but\": {\"wildcard\": \"*ball\"}}]", "String", "baseball", false},
    {"[{\"anything-but\": {\"equals-ignore-case\": [\"tennis\", \"rugby\"]}}]", "String", "TENNIS", false},
    {"[{\"anything-but\": {\"equals-ignore-case\": [\"tennis\", \"rugby\"]}}]", "String", "football", true},
    {"[{\"anything-but\": {\"suffix\": [\"ball\", \"by\"]}}]", "String", "rugby", false},
    {"[{\"anything-but\": {\"suffix\": [\"ball\", \"by\"]}}]", "String", "tennis", true},
    {"[{\"anything-but\": {\"wildcard\": [\"*ball\", \"r*y\"]}}]", "String", "rugby", false},
    {"[{\"anything-but\": {\"wildcard\": [\"*ball\", \"r*y\"]}}]", "String", "tennis", true},
    {"[{\"anything-but\": {\"equals-ignore-case\": \"tennis\"}}]", "String", "Tennis", false},
    {"[{\"anything-but\": {\"prefix\": \"order-\"}}]", "String.Array", "[\"order-1\", \"data\"]", true},
    {"[{\"anything-but\": {\"prefix\": \"order-\"}}]", "String.Array", "[\"order-1\", \"order-2\"]", false},
    {"[{\"anything-but\": [100, 500]}]", "Number", "1e2", false},
    {"[{\"anything-but\": [\"rugby\", 5]}]", "Number", "5", false},
    {"[{\"anything-but\": [\"rugby\"]}]", "Binary", "tennis", false},
    /* cidr */
    {"[{\"cidr\": \"10.0.0.0/24\"}]", "String.Array", "[\"10.1.1.1\", \"10.0.0.9\"]", true},
    {"[{\"cidr\": \"10.0.0.0/24\"}, \"10.1.1.1\"]", "String", "10.1.1.1", true},
    {"[{\"cidr\": \"10.0.0.0/24\"}]", "String", "10.0.0.0", true},
    {"[{\"cidr\": \"10.0.0.0/24\"}]", "String", "10.0.0.255", true},
    {"[{\"cidr\": \"10.0.0.0/24\"}]", "String", "10.1.1.0", false},
    {"[{\"cidr\": \"10.0.0.0/25\"}]", "String", "10.0.0.128", false},
    {"[{\"cidr\": \"0.0.0.0/0\"}]", "String", "255.1.2.3", true},
    {"[{\"cidr\": \"10.0.0.7/32\"}]", "String", "10.0.0.7", true},
    {"[{\"cidr\": \"2001:db8::/32\"}]", "String", "2001:db8:1::1", true},
    {"[{\"cidr\": \"2001:db8::/32\"}]", "String", "2001:db9::1", false},
    {"[{\"cidr\": \"::/0\"}]", "String", "10.0.0.1", false},
    {"[{\"cidr\": \"10.0.0.0/24\"}]", "String", "no address", false},
    /* case, prefix, suffix, wildcard */
    {"[{\"equals-ignore-case\": \"tennis\"}]", "String", "TeNnIs", true},
    {"[{\"equals-ignore-case\": \"tennis\"}]", "String", "tennis2", false},
    {"[{\"prefix\": \"bas\"}]", "String", "baseball", true},
    {"[{\"prefix\": \"bas\"}]", "String", "basketball", true},
    {"[{\"prefix\": \"bas\"}]", "String", "rugby", false},
    {"[{\"suffix\": \"ball\"}]", "String", "baseball", true},
    {"[{\"suffix\": \"ball\"}]", "String", "ballet", false},
    {"[{\"wildcard\": \"*ball\"}]", "String", "football", true},
    {"[{\"wildcard\": \"*ball\"}]", "String", "ball", true},
    {"[{\"wildcard\": \"*ball\"}]", "String", "ballet", false},
    {"[{\"wildcard\": \"a*b*c\"}]", "String", "aXbYc", true},
    {"[{\"wildcard\": \"a*b*c\"}]", "String", "abc", true},
    {"[{\"wildcard\": \"a*b*c\"}]", "String", "ac", false},
    {"[{\"wildcard\": \"ab*ba\"}]", "String", "aba", false},
    {"[{\"wildcard\": \"*\"}]", "String", "", true},
    {"[{\"wildcard\": \"*a*\"}]", "String", "bab", true},
    {"[{\"wildcard\": \"a\\\\*b\"}]", "String", "a*b", true},
    {"[{\"wildcard\": \"a\\\\*b\"}]", "String", "aXb", false},
    {"[{\"wildcard\": \"a\\\\\\\\*\"}]", "String", "a\\b", true},
    {"[{\"wildcard\": \"plain\"}]", "String", "plain", true},
    {"[{\"wildcard\": \"*ball*\"}]", "String", "basketballer", true},
    {"[{\"prefix\": \"bas\"}]", "String.Array", "[\"rugby\", \"baseball\"]", true},
    {"[{\"suffix\": \"ball\"}]", "String.Array", "[\"rugby\", \"tennis\"]", false},
    {"[{\"equals-ignore-case\": \"tennis\"}]", "String.Array", "[1, \"TENNIS\"]", true},
    /* numeric */
    {"[{\"numeric\": [\">\", 0, \"<\", 10]}, {\"numeric\": [\"=\", 20]}]", "Number", "20", true},
    {"[{\"numeric\": [\">\", 0, \"<\", 10]}, {\"numeric\": [\"=\", 20]}]", "Number", "15", false},
    {"[{\"numeric\": [\"=\", 301.5]}]", "Number", "301.5", true},
    {"[{\"numeric\": [\"=\", 301.5]}]", "Number", "301", false},
    {"[{\"numeric\": [\"<\", 0]}]", "Number", "-1", true},
    {"[{\"numeric\": [\"<\", 0]}]", "Number", "0", false},
    {"[{\"numeric\": [\"<=\", 0]}]", "Number", "0", true},
    {"[{\"numeric\": [\">\", 0, \"<=\", 150]}]", "Number", "0", false},
    {"[{\"numeric\": [\">\", 0, \"<=\", 150]}]", "Number", "0.00001", true},
    {"[{\"numeric\": [\">\", 0, \"<=\", 150]}]", "Number", "150", true},
    {"[{\"numeric\": [\">\", 0, \"<=\", 150]}]", "Number", "150.00001", false},
    {"[{\"numeric\": [\">=\", -1e9]}]", "Number", "1000000000", true},
    {"[{\"numeric\": [\">=\", -1e9]}]", "Number", "1000000001", false},
    {"[{\"numeric\": [\">=\", 0]}]", "String", "5", false},
    {"[{\"numeric\": [\">=\", 5]}, \"x\"]", "String", "x", true},
    {"[{\"numeric\": [\"=\", 5]}]", "String.Array", "[3, 5]", true},
    /* exists */
    {"[{\"exists\": true}]", "String", "x", true},
    {"[{\"exists\": true}]", "String", "", false},
    {"[{\"exists\": true}]", "String.Array", "[]", false},
    {"[{\"exists\": false}]", "String", "x", false},
    {"[{\"exists\": true}]", "Number", "0", true},
    /* a number beyond what policies compare is there all the same */
    {"[{\"exists\": true}]", "Number", "1764236712345", true},
    {"[{\"exists\": false}]", "Number", "1764236712345", false},
    {"[{\"anything-but\": [100]}]", "Number", "1764236712345", true},
    {"[{\"anything-but\": \"x\"}]", "String.Array", "[1764236712345]", true},
    {"[{\"numeric\": [\">\", 0]}]", "Number", "1764236712345", false},
    {"[{\"exists\": true}]", "Number", "", false},
};

static void attributes_match_as_documented(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(ATTRIBUTES); i++) {
        char *policy = mem_printf("{\"key\": %s}", ATTRIBUTES[i].rules);
        struct sns_filter *f = make(policy, SNS_SCOPE_ATTRIBUTES);
        const struct sns_attribute all[] = {
            {SLICE("other"), SLICE("String"), SLICE("rugby")},
            {SLICE("key"), slice_str(ATTRIBUTES[i].type), slice_str(ATTRIBUTES[i].value)}};

        if (sns_filter_attributes(f, all, 2) != ATTRIBUTES[i].matches)
            fail_msg("%s: %s %s: not %d", policy, ATTRIBUTES[i].type, ATTRIBUTES[i].value, ATTRIBUTES[i].matches);
        sns_filter_free(&f);
        mem_free(policy);
    }
}

/* The message and the policies with which "Example filter policies" begins. */
static void the_example_of_a_shop_matches_as_documented(void **state)
{
    const struct sns_attribute message[] = {
        {SLICE("customer_interests"), SLICE("String.Array"), SLICE("[\"soccer\", \"rugby\", \"hockey\"]")},
        {SLICE("store"), SLICE("String"), SLICE("example_corp")},
        {SLICE("event"), SLICE("String"), SLICE("order_placed")},
        {SLICE("price_usd"), SLICE("Number"), SLICE("210.75")}};
    static const struct {
        const char *policy;
        bool matches;
    } cases[] = {
        {"{\"store\": [\"example_corp\"], \"event\": [{\"anything-but\": \"order_cancelled\"}], "
         "\"customer_interests\": "
         "[\"rugby\", \"football\", \"baseball\"], \"price_usd\": [{\"numeric\": [\">=\", 100]}]}",
         true},
        {"{\"store\": [\"example_corp\"], \"event\": [\"order_cancelled\"], \"encrypted\": [false], "
         "\"customer_interests\": "
         "[\"basketball\", \"baseball\"]}",
         false},
        {"{\"store\": [\"example_corp\"], \"$or\": [{\"encrypted\": [{\"exists\": true}]}, {\"price_usd\": "
         "[{\"numeric\": "
         "[\"<\", 300]}]}]}",
         true},
        {"{\"store\": [\"example_corp\"], \"encrypted\": [{\"exists\": false}]}", true},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct sns_filter *f = make(cases[i].policy, SNS_SCOPE_ATTRIBUTES);

        if (sns_filter_attributes(f, message, sizeof(message) / sizeof(message[0])) != cases[i].matches)
            fail_msg("%s: not %d", cases[i].policy, cases[i].matches);
        sns_filter_free(&f);
    }
}

static const struct {
    const char *policy, *body;
    bool matches;
} BODIES[] = {
    {"{\"store\": {\"name\": [\"example_corp\"], \"price\": {\"usd\": [{\"numeric\": [\">=\", 100]}]}}}",
     "{\"store\": {\"name\": \"example_corp\", \"price\": {\"usd\": 210.75, \"eur\": 3}}}", true},
    {"{\"store\": {\"name\": [\"example_corp\"], \"price\": {\"usd\": [{\"numeric\": [\">=\", 100]}]}}}",
     "{\"store\": {\"name\": \"example_corp\", \"price\": {\"usd\": 99.99}}}", false},
    {"{\"ip\": [{\"cidr\": \"10.0.0.0/8\"}], \"who\": [{\"equals-ignore-case\": \"ann\"}]}",
     "{\"ip\": \"10.9.8.7\", \"who\": \"ANN\"}", true},
    {"{\"a\": {\"b\": [{\"exists\": true}]}}", "{\"a\": [{\"c\": 1}, {\"b\": \"x\"}]}", true},
    {"{\"a\": [{\"wildcard\": \"x*z\"}, {\"suffix\": \"!\"}]}", "{\"a\": [\"q\", \"xyz\"]}", true},
    {"{\"a\": [{\"anything-but\": {\"wildcard\": \"x*\"}}]}", "{\"a\": [\"x1\", \"x2\"]}", false},
    {"{\"interests\": [\"rugby\", \"tennis\"]}", "{\"interests\": \"rugby\"}", true},
    {"{\"interests\": [\"rugby\", \"tennis\"]}", "{\"interests\": [\"golf\", \"tennis\"]}", true},
    {"{\"interests\": [\"rugby\", \"tennis\"]}", "{\"interests\": \"baseball\"}", false},
    {"{\"interests\": [\"rugby\"]}", "not json", false},
    {"{\"interests\": [\"rugby\"]}", "[{\"interests\": \"rugby\"}]", false},
    {"{\"interests\": [\"rugby\"]}", "{\"interests\": \"rugby\"} {}", false},
    {"{\"interests\": [\"rugby\"]}", "{\"\\u0069nterests\": \"r\\u0075gby\"}", true},
    {"{\"n\": [1, true, null]}", "{\"n\": 1.0}", true},
    {"{\"n\": [1, true, null]}", "{\"n\": true}", true},
    {"{\"n\": [1, true, null]}", "{\"n\": null}", true},
    {"{\"n\": [1, true, null]}", "{\"n\": false}", false},
    {"{\"n\": [1, true, null]}", "{}", false},
    /* and */
    {"{\"a\": [1], \"b\": [2]}", "{\"a\": 1, \"b\": 2}", true},
    {"{\"a\": [1], \"b\": [2]}", "{\"a\": 1, \"b\": 3}", false},
    {"{\"a\": [1], \"b\": [2]}", "{\"a\": 1}", false},
    /* nested, also through arrays */
    {"{\"a\": {\"b\": [\"x\"], \"c\": [{\"prefix\": \"y\"}]}}", "{\"a\": {\"b\": \"x\", \"c\": \"yes\"}}", true},
    {"{\"a\": {\"b\": [\"x\"], \"c\": [{\"prefix\": \"y\"}]}}", "{\"a\": {\"b\": \"x\", \"c\": \"no\"}}", false},
    {"{\"a\": {\"b\": [\"x\"]}}", "{\"b\": \"x\"}", false},
    {"{\"a\": {\"b\": [\"x\"]}}", "{\"a\": [{\"b\": \"w\"}, {\"b\": [[\"x\"]]}]}", true},
    {"{\"a\": {\"b\": [\"x\"]}}", "{\"a\": \"x\"}", false},
    {"{\"a\": [\"x\"]}", "{\"a\": {\"b\": \"x\"}}", false},
    /* exists: leaves only, neither null nor empty */
    {"{\"a\": [{\"exists\": true}]}", "{\"a\": 0}", true},
    {"{\"a\": [{\"exists\": true}]}", "{\"a\": null}", false},
    {"{\"a\": [{\"exists\": true}]}", "{\"a\": {\"b\": 1}}", false},
    {"{\"a\": [{\"exists\": true}]}", "{\"a\": 1764236712345}", true},
    {"{\"a\": [{\"exists\": false}]}", "{\"a\": -1764236712345}", false},
    {"{\"a\": [{\"anything-but\": [1, \"x\"]}]}", "{\"a\": 1764236712345}", true},
    {"{\"a\": [1, {\"numeric\": [\">\", 0]}, null]}", "{\"a\": [1764236712345, 1e400]}", false},
    {"{\"a\": [{\"exists\": false}]}", "{\"b\": 0}", true},
    {"{\"a\": [{\"exists\": false}]}", "{\"a\": 0}", false},
    {"{\"a\": [{\"exists\": false}]}", "{}", false},
    {"{\"a\": [{\"exists\": false}, \"x\"]}", "{\"a\": \"x\"}", true},
    {"{\"a\": [{\"anything-but\": [\"x\"]}, {\"exists\": false}]}", "{\"b\": 1}", true},
    {"{\"a\": [{\"anything-but\": [\"x\"]}]}", "{\"b\": 1}", false},
    /* $or */
    {"{\"source\": [\"aws.cloudwatch\"], \"$or\": [{\"metricName\": [\"CPU\"]}, {\"namespace\": [\"EC2\"]}]}",
     "{\"source\": \"aws.cloudwatch\", \"namespace\": \"EC2\"}", true},
    {"{\"source\": [\"aws.cloudwatch\"], \"$or\": [{\"metricName\": [\"CPU\"]}, {\"namespace\": [\"EC2\"]}]}",
     "{\"source\": \"aws.cloudwatch\", \"namespace\": \"ES\"}", false},
    {"{\"source\": [\"aws.cloudwatch\"], \"$or\": [{\"metricName\": [\"CPU\"]}, {\"namespace\": [\"EC2\"]}]}",
     "{\"source\": \"other\", \"namespace\": \"EC2\"}", false},
    {"{\"$or\": [{\"a\": [1], \"b\": [2]}, {\"a\": [3], \"$or\": [{\"c\": [4]}, {\"d\": [5]}]}]}",
     "{\"a\": 3, \"d\": 5}", true},
    {"{\"$or\": [{\"a\": [1], \"b\": [2]}, {\"a\": [3], \"$or\": [{\"c\": [4]}, {\"d\": [5]}]}]}",
     "{\"a\": 1, \"d\": 5}", false},
    {"{\"x\": {\"$or\": [{\"a\": [1]}, {\"b\": [{\"prefix\": \"p\"}]}]}}", "{\"x\": {\"b\": \"pq\"}}", true},
    {"{\"x\": {\"$or\": [{\"a\": [1]}, {\"b\": [{\"prefix\": \"p\"}]}]}}", "{\"b\": \"pq\"}", false},
    /* an ordinary key of that name */
    {"{\"$or\": [\"x\", \"y\"]}", "{\"$or\": \"y\"}", true},
    {"{\"$or\": [{\"prefix\": \"x\"}, {\"prefix\": \"y\"}]}", "{\"$or\": \"yes\"}", true},
    {"{\"$or\": [{\"prefix\": \"x\"}, {\"prefix\": \"y\"}]}", "{\"prefix\": \"x\"}", false},
};

static void bodies_match_as_documented(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(BODIES); i++) {
        struct sns_filter *f = make(BODIES[i].policy, SNS_SCOPE_BODY);

        if (sns_filter_body(f, slice_str(BODIES[i].body)) != BODIES[i].matches)
            fail_msg("%s: %s: not %d", BODIES[i].policy, BODIES[i].body, BODIES[i].matches);
        sns_filter_free(&f);
    }
}

static void a_deep_body_is_looked_at(void **state)
{
    struct sns_filter *f = make("{\"a\": [\"x\"]}", SNS_SCOPE_BODY);
    char deep[512 + 1] = "", *body;

    (void)state;
    memset(deep, '[', 256);
    memset(deep + 256, ']', 256);
    body = mem_printf("{\"deep\": %s, \"a\": \"x\"}", deep);
    assert_true(sns_filter_body(f, slice_str(body)));
    mem_free(body);
    sns_filter_free(&f);
}

static void without_attributes_only_nothing_is_missing(void **state)
{
    struct sns_filter *f = make("{\"key\": [{\"exists\": false}]}", SNS_SCOPE_ATTRIBUTES);
    const struct sns_attribute other = {SLICE("other"), SLICE("String"), SLICE("x")};

    (void)state;
    assert_false(sns_filter_attributes(f, NULL, 0));
    assert_true(sns_filter_attributes(f, &other, 1));
    sns_filter_free(&f);
    f = make("{\"$or\": [{\"a\": [\"x\"]}, {\"other\": [\"x\"]}]}", SNS_SCOPE_ATTRIBUTES);
    assert_true(sns_filter_attributes(f, &other, 1));
    assert_false(sns_filter_attributes(f, NULL, 0));
    sns_filter_free(&f);
}

static const struct {
    const char *policy, *why;
} REFUSED[] = {
    {"", "no JSON"},
    {"[]", "no JSON object"},
    {"{} x", "no JSON"},
    {"{}", "no key"},
    {"{\"a\": \"x\"}", "`a`: a key has a list"},
    {"{\"a\": []}", "the list is empty"},
    {"{\"a\": [[1]]}", "a list within"},
    {"{\"a\": {\"b\": [1]}}", "MessageBody"},
    {"{\"a\": [1], \"a\": [2]}", "twice"},
    {"{\"a\": [{}]}", "names an operator"},
    {"{\"a\": [{\"prfix\": \"x\"}]}", "`prfix` is no operator"},
    {"{\"a\": [{\"prefix\": 1}]}", "prefix takes a string"},
    {"{\"a\": [{\"prefix\": \"x\", \"suffix\": \"y\"}]}", "stands alone"},
    {"{\"a\": [{\"anything-but\": []}]}", "empty list"},
    {"{\"a\": [{\"anything-but\": {}}]}", "empty object"},
    {"{\"a\": [{\"anything-but\": [true]}]}", "strings and numbers"},
    {"{\"a\": [{\"anything-but\": {\"prefix\": 1}}]}", "takes strings"},
    {"{\"a\": [{\"anything-but\": {\"cidr\": \"10.0.0.0/8\"}}]}", "anything-but knows"},
    {"{\"a\": [{\"exists\": \"true\"}]}", "exists takes"},
    {"{\"a\": [{\"cidr\": \"10.0.0.0\"}]}", "cidr takes a network"},
    {"{\"a\": [{\"cidr\": \"10.0.0.0/33\"}]}", "32 bits at most"},
    {"{\"a\": [{\"cidr\": \"10.0.0.0/x\"}]}", "cidr takes a network"},
    {"{\"a\": [{\"cidr\": \"host/8\"}]}", "cidr takes a network"},
    {"{\"a\": [{\"numeric\": []}]}", "numeric takes a list"},
    {"{\"a\": [{\"numeric\": [\"<\"]}]}", "numeric takes comparisons"},
    {"{\"a\": [{\"numeric\": [\"<\", \"1\"]}]}", "numeric takes comparisons"},
    {"{\"a\": [{\"numeric\": [\"!=\", 1]}]}", "numeric takes `=`"},
    {"{\"a\": [{\"numeric\": [\"<\", 1, \"<\", 2]}]}", "numeric takes `=`"},
    {"{\"a\": [{\"numeric\": [\">\", 5, \"<\", 2]}]}", "no number"},
    {"{\"a\": [1e10]}", "between -1e9 and 1e9"},
    {"{\"a\": [{\"wildcard\": \"*a*b*c*\"}]}", "3 `*` at most"},
    {"{\"a\": [{\"wildcard\": \"\\\\x\"}]}", "stands before"},
    {"{\"a\": [1], \"b\": [1], \"c\": [1], \"d\": [1], \"e\": [1], \"f\": [1]}", "5 keys at most"},
    {"{\"a\": [1,2,3,4,5,6,7], \"b\": [1,2,3,4,5,6,7], \"c\": [1,2,3,4]}", "150 combinations"},
};

static void what_is_no_policy_is_refused(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(REFUSED); i++) {
        struct sns_filter *f = NULL;
        struct err e = {.msg = ""};

        if (sns_filter_new(&f, slice_str(REFUSED[i].policy), SNS_SCOPE_ATTRIBUTES, &e) == 0)
            fail_msg("%s is taken", REFUSED[i].policy);
        assert_null(f);
        if (!strstr(e.msg, REFUSED[i].why) || strncmp(e.msg, "filter_policy: ", 15) != 0)
            fail_msg("%s: %s", REFUSED[i].policy, e.msg);
    }
}

/* AWS's own example: 4 x 3 levels, 3 x 2, 3 x 1 are 216; and of an $or the sum. */
static void combinations_count_depth_and_branches(void **state)
{
    struct sns_filter *f = NULL;
    struct err e;

    (void)state;
    assert_int_equal(
        sns_filter_new(&f, SLICE("{\"a\": {\"b\": {\"c\": [1,2,3,4]}}, \"d\": {\"e\": [1,2,3]}, \"f\": [1,2,3]}"),
                       SNS_SCOPE_BODY, &e),
        -1);
    assert_non_null(strstr(e.msg, "combinations"));
    f = make("{\"a\": {\"b\": {\"c\": [1,2,3,4]}}, \"d\": {\"e\": [1,2,3]}, \"f\": [1,2]}", SNS_SCOPE_BODY);
    sns_filter_free(&f);
    f = make("{\"a\": [1,2,3,4,5,6,7,8,9,10], \"$or\": [{\"b\": [1,2,3,4,5,6,7]}, {\"c\": [1,2,3,4,5,6,7,8]}]}",
             SNS_SCOPE_ATTRIBUTES);
    sns_filter_free(&f);
    assert_int_equal(
        sns_filter_new(&f,
                       SLICE("{\"a\": [1,2,3,4,5,6,7,8,9,10], \"$or\": [{\"b\": [1,2,3,4,5,6,7,8]}, {\"c\": "
                             "[1,2,3,4,5,6,7,8]}]}"),
                       SNS_SCOPE_ATTRIBUTES, &e),
        -1);
}

static void wildcards_cost_points(void **state)
{
    struct sns_filter *f = make("{\"a\": [{\"wildcard\": \"*1\"}, {\"wildcard\": \"*2\"}, {\"wildcard\": \"*3\"}, "
                                "{\"wildcard\": \"*4\"}, {\"wildcard\": \"*5\"}, {\"wildcard\": \"*6\"}, "
                                "{\"wildcard\": \"*7\"}, {\"wildcard\": \"*8\"}, {\"wildcard\": \"*9\"}, "
                                "{\"wildcard\": \"*0\"}]}",
                                SNS_SCOPE_ATTRIBUTES);
    struct err e;

    (void)state;
    sns_filter_free(&f);
    assert_int_equal(
        sns_filter_new(&f,
                       SLICE("{\"a\": [{\"wildcard\": \"*1*\"}, {\"wildcard\": \"*2*\"}, {\"wildcard\": \"*3*\"}, "
                             "{\"wildcard\": \"*4*\"}, {\"wildcard\": \"*5*\"}]}"),
                       SNS_SCOPE_ATTRIBUTES, &e),
        -1);
    assert_non_null(strstr(e.msg, "points"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(attributes_match_as_documented),
        cmocka_unit_test(the_example_of_a_shop_matches_as_documented),
        cmocka_unit_test(bodies_match_as_documented),
        cmocka_unit_test(a_deep_body_is_looked_at),
        cmocka_unit_test(without_attributes_only_nothing_is_missing),
        cmocka_unit_test(what_is_no_policy_is_refused),
        cmocka_unit_test(combinations_count_depth_and_branches),
        cmocka_unit_test(wildcards_cost_points),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
