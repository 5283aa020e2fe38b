#include "pipeline/inputs/kafka/files.h"

#include "pipeline/base/buf.h"
#include "pipeline/base/digest.h"
#include "pipeline/base/mem.h"
#include "pipeline/http/trust/pem_file.h"
#include "pipeline/inputs/kafka/client.h"

/* One that cannot be read is like an empty one. */
static void add(struct sha256 *sum, const char *name, const char *base_dir)
{
    char *path = !name || *name == '/' || !base_dir ? NULL : mem_printf("%s/%s", base_dir, name);
    struct buf text;
    struct err e;

    buf_init(&text, MIB);
    if (name && pem_file_read("tls", path ? path : name, &text, &e) < 0)
        buf_clear(&text);
    sha256_add(sum, slice_of((const char *)&text.n, sizeof(text.n)));
    sha256_add(sum, buf_slice(&text));
    buf_release(&text);
    mem_free(path);
}

void kafka_files_digest(const void *conf, const char *base_dir, unsigned char out[32])
{
    const struct kafka_conf *c = conf;
    struct sha256 *sum = sha256_new();

    sha256_begin(sum);
    if (c->encrypted) {
        add(sum, c->tls.ca_file, base_dir);
        add(sum, c->tls.cert_file, base_dir);
        add(sum, c->tls.key_file, base_dir);
    }
    sha256_end(sum, out);
    sha256_free(&sum);
}

static void on_log(const rd_kafka_t *rk, int level, const char *facility, const char *text)
{
    (void)rk, (void)level, (void)facility, (void)text;
}

int kafka_files_check(const void *conf, const char *base_dir, struct err *e)
{
    struct kafka_conf alone = *(const struct kafka_conf *)conf;
    rd_kafka_conf_t *client;
    rd_kafka_t *rk;
    char why[256];

    if (!alone.encrypted)
        return 0;
    alone.brokers = (struct cfg_strings){.n = 0};
    alone.sasl.mechanism = KAFKA_SASL_NONE;
    if (kafka_client_conf(&alone, base_dir, &client, e) < 0)
        return -1;
    rd_kafka_conf_set_log_cb(client, on_log);
    rk = rd_kafka_new(RD_KAFKA_CONSUMER, client, why, sizeof(why));
    if (!rk) {
        rd_kafka_conf_destroy(client);
        return err_set(e, ERR_CONFIG, "tls: librdkafka cannot use its files: %s", why);
    }
    rd_kafka_destroy_flags(rk, RD_KAFKA_DESTROY_F_NO_CONSUMER_CLOSE);
    return 0;
}
