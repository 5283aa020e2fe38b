/* What to do about what a server refuses. */
#include "pipeline/inputs/amqp091/session.h"

#include <string.h>

const char *amqp091_session_hint(uint16_t code, const char *text)
{
    switch (code) {
    case AMQP_ACCESS_REFUSED:
        return strstr(text, "queue") || strstr(text, "exchange")
                   ? "let the user read the queue: rabbitmqctl set_permissions"
                   : "look at username and password; the user guest is let in from the server's own machine only";
    case AMQP_NOT_FOUND:
        return "make the queue, or look at `queue` and at the virtual host in `url`: the input makes none";
    case AMQP_NOT_ALLOWED:
        return "look at the virtual host in `url` (a \"/\" in its name is %2F), and whether the user may use it";
    case AMQP_RESOURCE_LOCKED:
        return "somebody has the queue for himself; the input takes over when he leaves";
    case AMQP_PRECONDITION_FAILED:
        return strstr(text, "timed out") || strstr(text, "timeout")
                   ? "messages were not acknowledged in time (consumer_timeout): look at why the "
                     "stream's disk does not get on"
                   : "the queue does not take such a consumer: look at stream_start, which streams "
                     "need and others do not take";
    case AMQP_CONNECTION_FORCED:
        return "the server is being stopped, or somebody has closed the connection; nothing is to be done if it comes "
               "back";
    case AMQP_RESOURCE_ERROR:
        return "look at the server: memory, disk, limits";
    case AMQP_NOT_IMPLEMENTED:
        return "the queue does not take such a consumer: look at stream_start";
    default:
        return "look at the server's log";
    }
}
