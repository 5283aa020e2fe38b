/* options.h -- the options of the mqtt input, and what is wrong with them taken by themselves.
 *
 * Ownership  bound and released with mqtt_fields. Threads: immutable once bound.
 */
#ifndef PIPELINE_INPUTS_MQTT_OPTIONS_H
#define PIPELINE_INPUTS_MQTT_OPTIONS_H

#include "config/bind.h"
#include "config/options.h"
#include "pipeline/base/clock.h"
#include "pipeline/base/compiler.h"
#include "pipeline/base/err.h"
#include "pipeline/http/tls.h"

#include <stdbool.h>
#include <stdint.h>

#define MQTT_CLIENT_ID_MAX 256
#define MQTT_HOST_MAX      253

enum { MQTT_VERSION_AUTO = 0 }; /* else enum mqtt_version */

struct mqtt_conf {
    char *url, *client_id, *username, *password;
    struct cfg_strings topics;
    int64_t qos;
    int version;
    int64_t receive_maximum;
    nsec session_expiry, keep_alive;
    struct tls_conf tls;
};

extern const struct cfg_field mqtt_fields[];

void mqtt_conf_check_all(const void *conf, const char *base_dir, const struct cfg_options *o);

/* Two connections of one client_id. */
bool mqtt_conf_same_client(const void *conf, const void *other);

/* The option, or what is usual. Mosquitto, for one, knows no more than 20 messages of QoS 2 again when it was restarted. */
uint16_t mqtt_conf_receive_maximum(const struct mqtt_conf *c);

struct mqtt_address {
    char host[MQTT_HOST_MAX + 1]; /* without brackets */
    uint16_t port;
    bool tls;
};

/* mqtt://HOST, mqtts://HOST:PORT, mqtt://[::1]:1883 */
MUST_CHECK int mqtt_address_parse(struct mqtt_address *a, const char *url, struct err *e);

#endif
