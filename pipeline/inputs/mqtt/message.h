/* message.h -- what is known of a message beside its payload, as facts (base/facts.h): topic, qos, retained, and what MQTT 5 says of it.
 *
 * Pure.
 */
#ifndef PIPELINE_INPUTS_MQTT_MESSAGE_H
#define PIPELINE_INPUTS_MQTT_MESSAGE_H

#include "pipeline/base/buf.h"
#include "pipeline/base/compiler.h"
#include "pipeline/inputs/mqtt/packet.h"

#include <stdbool.h>

/* Into `facts`, in place of what was there. False: there was no room for all of it. */
MUST_CHECK bool mqtt_facts(struct buf *facts, const struct mqtt_packet *p);

#endif
