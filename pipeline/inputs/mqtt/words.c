#include "pipeline/inputs/mqtt/words.h"

#include "pipeline/base/compiler.h"

#include <stddef.h>

#define LOGS_TELL "the server's log tells more"
#define TRY_USER  "look at username and password, and at tls.cert_file where the server goes by certificates"
#define TRY_OTHER "is client_id used by another client? Each input needs one of its own"

static const struct {
    uint8_t reason;
    struct mqtt_words words;
} REASONS[] = {
    {0x00, {"the server ended the session without a reason", LOGS_TELL}},
    {0x80, {"the server gives no reason (unspecified error)", LOGS_TELL}},
    {0x81,
     {"the server cannot read what was sent to it (malformed packet)", "is it a server of MQTT 5? See `version`"}},
    {0x82, {"the server says that the protocol was broken (protocol error)", LOGS_TELL}},
    {0x83, {"the server refuses for a reason of its own (implementation specific error)", LOGS_TELL}},
    {0x84, {"the server does not speak this version of MQTT", "set `version`"}},
    {0x85, {"the server does not take this client_id", "choose another client_id, or allow it there"}},
    {0x86, {"user name or password are wrong", TRY_USER}},
    {0x87, {"the server does not allow it (not authorized)", TRY_USER ", and at the server's access rules"}},
    {0x88, {"the server is not available", "nothing needs to be done unless it lasts"}},
    {0x89, {"the server is busy", "nothing needs to be done unless it lasts"}},
    {0x8A, {"this client is banned by the server", "ask who runs the server"}},
    {0x8B, {"the server is shutting down", "nothing needs to be done unless it lasts"}},
    {0x8C, {"the server wants another way of authentication", TRY_USER}},
    {0x8D, {"the server heard nothing for longer than keep_alive", "look at the network to the server"}},
    {0x8E, {"the session was taken over by another client of the same client_id", TRY_OTHER}},
    {0x8F, {"the topic filter is not valid", "look at `topics`"}},
    {0x90, {"the topic name is not valid", "look at `topics`"}},
    {0x91, {"a packet identifier is in use already", LOGS_TELL}},
    {0x92, {"a packet identifier is not known", LOGS_TELL}},
    {0x93, {"more was sent than receive_maximum allows", LOGS_TELL}},
    {0x94, {"a topic alias is not valid", LOGS_TELL}},
    {0x95, {"a packet was larger than the server takes", LOGS_TELL}},
    {0x96, {"messages come or go too fast for the server", LOGS_TELL}},
    {0x97, {"a quota of the server is used up", "ask who runs the server"}},
    {0x98, {"the server was told to end the session (administrative action)", "ask who runs the server"}},
    {0x99, {"the payload is not of the format it is said to be", LOGS_TELL}},
    {0x9A, {"the server does not keep retained messages", ""}},
    {0x9B, {"the server does not know this QoS", "choose a lower qos"}},
    {0x9C, {"the server sends this client to another server, for now", "look for its address in the server's log"}},
    {0x9D, {"the server sends this client to another server, for good", "name the other server in `url`"}},
    {0x9E, {"the server does not know shared subscriptions", "leave out $share/GROUP/ in `topics`"}},
    {0x9F, {"the server takes no more connections at this rate", "nothing needs to be done unless it lasts"}},
    {0xA0, {"the longest time that the server allows for a connection is over", ""}},
    {0xA1, {"the server does not know subscription identifiers", LOGS_TELL}},
    {0xA2, {"the server does not know filters with wildcards", "name each topic in `topics`"}},
};

static const struct mqtt_words OLDER[] = {
    {"the server ended the session without a reason", LOGS_TELL},
    {"the server does not speak this version of MQTT", "set `version`"},
    {"the server does not take this client_id", "choose another client_id, or allow it there"},
    {"the server is not available", "nothing needs to be done unless it lasts"},
    {"user name or password are wrong", TRY_USER},
    {"the server does not allow it (not authorized)", TRY_USER ", and at the server's access rules"},
};

struct mqtt_words mqtt_words_of(enum mqtt_version v, uint8_t reason)
{
    if (reason < ARRAY_LEN(OLDER) && (v == MQTT_3 || reason > 0)) /* also of a server that knows the older form alone */
        return OLDER[reason];
    for (size_t i = 0; i < ARRAY_LEN(REASONS); i++)
        if (REASONS[i].reason == reason)
            return REASONS[i].words;
    return (struct mqtt_words){"the server refuses with a reason code that is not known", LOGS_TELL};
}
