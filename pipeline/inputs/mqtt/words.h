/* words.h -- reason codes of MQTT in words, and what to do about them.
 *
 * MQTT 5.0 section 2.4, MQTT 3.1.1 sections 3.2.2.3 and 3.9.3. Pure.
 */
#ifndef PIPELINE_INPUTS_MQTT_WORDS_H
#define PIPELINE_INPUTS_MQTT_WORDS_H

#include "pipeline/inputs/mqtt/packet.h"

#include <stdint.h>

struct mqtt_words {
    const char *cause, *hint; /* never NULL; "" when nothing is known to do */
};

/* Of CONNACK, SUBACK and DISCONNECT. The older codes are those of CONNACK alone. */
struct mqtt_words mqtt_words_of(enum mqtt_version v, uint8_t reason);

#endif
