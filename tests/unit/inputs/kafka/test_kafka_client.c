/* Of whatever the options allow librdkafka makes a client: it compares its settings with one another only then. */
#include "tests/support/cmocka.h"

#include "pipeline/base/limits.h"
#include "pipeline/inputs/kafka/client.h"

static void try_to_make(const struct kafka_conf *c)
{
    rd_kafka_conf_t *conf = NULL;
    rd_kafka_t *client;
    struct err e;
    char why[256];

    if (kafka_client_conf(c, NULL, &conf, &e) < 0)
        fail_msg("%s", e.msg);
    client = rd_kafka_new(RD_KAFKA_CONSUMER, conf, why, sizeof(why));
    if (!client)
        fail_msg("prefetch %llu session_timeout %lld: %s", (unsigned long long)c->prefetch,
                 (long long)c->session_timeout, why);
    rd_kafka_destroy_flags(client, RD_KAFKA_DESTROY_F_NO_CONSUMER_CLOSE);
}

static void any_bound_makes_a_client(void **state)
{
    const uint64_t prefetches[] = {READ_AHEAD_LEAST, KAFKA_PREFETCH_MIN, 2 * MIB, 3 * MIB, 8 * MIB, 400 * MIB, 1 * GIB};
    const nsec timeouts[] = {6 * NSEC_PER_SEC, 45 * NSEC_PER_SEC, 1800 * NSEC_PER_SEC};
    char broker[] = "127.0.0.1:1", group[] = "g", *brokers[] = {broker};
    struct kafka_conf c = {.brokers = {brokers, 1}, .group = group, .session_timeout = timeouts[1]};

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(prefetches); i++) {
        c.prefetch = prefetches[i];
        try_to_make(&c);
    }
    c.prefetch = 8 * MIB;
    for (size_t i = 0; i < ARRAY_LEN(timeouts); i++) {
        c.session_timeout = timeouts[i];
        try_to_make(&c);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(any_bound_makes_a_client),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
