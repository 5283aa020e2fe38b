/* kafka_mock.c -- brokers of Kafka for the cases, those that librdkafka brings along for its own tests: consumer groups, offsets, errors on demand.
 *
 *     kafka_mock BROKERS      writes their addresses, then does what is asked for on standard input, a line at a time, and answers "ok"
 *
 *     topic NAME PARTITIONS            put NAME PARTITION COUNT TAG      messages "TAG-00000" ...
 *     text NAME PARTITION KEY VALUE    with the header trace: KEY        null NAME PARTITION      a tombstone
 *     large NAME PARTITION BYTES       down BROKER, up BROKER            fail API ERROR COUNT     numbers of Kafka's protocol
 *     file NAME PARTITION PATH         a message of the file's bytes
 *
 * It ends with its standard input. */
#include <librdkafka/rdkafka.h>
#include <librdkafka/rdkafka_mock.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static rd_kafka_t *producer;

static void put(const char *topic, int partition, const char *key, const char *value, size_t n)
{
    rd_kafka_resp_err_t err;

    do {
        err = rd_kafka_producev(producer, RD_KAFKA_V_TOPIC(topic), RD_KAFKA_V_PARTITION(partition),
                                RD_KAFKA_V_VALUE((void *)value, value ? n : 0),
                                RD_KAFKA_V_KEY((void *)key, key ? strlen(key) : 0),
                                RD_KAFKA_V_HEADER(key ? "trace" : "none", key ? key : "", -1),
                                RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY), RD_KAFKA_V_END);
        rd_kafka_poll(producer, err ? 100 : 0);
    } while (err == RD_KAFKA_RESP_ERR__QUEUE_FULL);
    if (err)
        fprintf(stderr, "kafka_mock: %s\n", rd_kafka_err2str(err));
}

static void put_many(const char *topic, int partition, int count, const char *tag)
{
    char text[128];

    for (int i = 0; i < count; i++) {
        snprintf(text, sizeof(text), "%s-%05d", tag, i);
        put(topic, partition, NULL, text, strlen(text));
    }
}

static void put_large(const char *topic, int partition, size_t n)
{
    char *p = calloc(1, n + 1);

    if (p)
        put(topic, partition, NULL, memset(p, 'x', n), n);
    free(p);
}

static void put_file(const char *topic, int partition, const char *path)
{
    FILE *f = fopen(path, "rb");
    size_t n = 0, room = 32 << 20;
    char *p = malloc(room);

    if (f && p) {
        n = fread(p, 1, room, f);
        put(topic, partition, NULL, p, n);
    }
    if (f)
        fclose(f);
    free(p);
}

static void do_line(rd_kafka_mock_cluster_t *cluster, const char *line)
{
    char a[128] = "", b[128] = "";
    int x = 0, y = 0, z = 0;

    if (sscanf(line, "topic %127s %d", a, &x) == 2)
        rd_kafka_mock_topic_create(cluster, a, x, 1);
    else if (sscanf(line, "put %127s %d %d %127s", a, &x, &y, b) == 4)
        put_many(a, x, y, b);
    else if (sscanf(line, "null %127s %d", a, &x) == 2)
        put(a, x, "gone", NULL, 0);
    else if (sscanf(line, "large %127s %d %d", a, &x, &y) == 3)
        put_large(a, x, (size_t)y);
    else if (sscanf(line, "file %127s %d %n", a, &x, &y) == 2 && y > 0)
        put_file(a, x, line + y);
    else if (sscanf(line, "text %127s %d %127s %n", a, &x, b, &y) == 3 && y > 0)
        put(a, x, b, line + y, strlen(line + y));
    else if (sscanf(line, "down %d", &x) == 1)
        rd_kafka_mock_broker_set_down(cluster, x);
    else if (sscanf(line, "up %d", &x) == 1)
        rd_kafka_mock_broker_set_up(cluster, x);
    else if (sscanf(line, "fail %d %d %d", &x, &y, &z) == 3)
        while (z-- > 0)
            rd_kafka_mock_push_request_errors(cluster, (int16_t)x, 1, (rd_kafka_resp_err_t)y);
    else
        fprintf(stderr, "kafka_mock: what is %s\n", line);
    rd_kafka_flush(producer, 60000);
}

int main(int argc, char **argv)
{
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    rd_kafka_mock_cluster_t *cluster;
    char why[256], line[4096];

    rd_kafka_conf_set(conf, "test.mock.num.brokers", argc > 1 ? argv[1] : "1", why, sizeof(why));
    rd_kafka_conf_set(conf, "linger.ms", "1", why, sizeof(why));
    rd_kafka_conf_set(conf, "message.max.bytes", "100000000", why, sizeof(why));
    rd_kafka_conf_set(conf, "log_level", "0", why, sizeof(why));
    producer = rd_kafka_new(RD_KAFKA_PRODUCER, conf, why, sizeof(why));
    cluster = producer ? rd_kafka_handle_mock_cluster(producer) : NULL;
    if (!cluster)
        return 1;
    printf("%s\n", rd_kafka_mock_cluster_bootstraps(cluster));
    fflush(stdout);
    while (fgets(line, sizeof(line), stdin)) {
        line[strcspn(line, "\n")] = '\0';
        do_line(cluster, line);
        printf("ok\n");
        fflush(stdout);
    }
    _exit(0);
}
