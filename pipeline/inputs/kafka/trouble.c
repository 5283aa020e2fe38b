/* What is wrong with the brokers, for the log and for health. */
#include "pipeline/inputs/kafka/impl.h"

void kafka_failed(struct input *in, const char *doing, rd_kafka_resp_err_t err, const char *said, nsec now)
{
    const char *hint = kafka_login_hint(in->conf, err);

    connection_failed(&in->connection,
                      &(struct connection_trouble){.doing = doing,
                                                   .cause = rd_kafka_err2str(err),
                                                   .said = said,
                                                   .hint = hint ? hint : "look at the brokers and at their log"},
                      now);
    in->look_next = now + KAFKA_LOOK_EVERY;
}

void kafka_ask_failed(struct input *in, const char *doing, rd_kafka_resp_err_t err, nsec now)
{
    in->ask_again = now + KAFKA_ASK_AGAIN;
    if (!in->connection.failing) /* it follows from what is said already */
        kafka_failed(in, doing, err, in->said[0] ? in->said : NULL, now);
}

void kafka_fatal(struct input *in, nsec now)
{
    char why[256] = "";
    rd_kafka_resp_err_t err = rd_kafka_fatal_error(in->rk, why, sizeof(why));

    in->dead = true;
    kafka_failed(in, "be a member of the group", err, why, now);
}
