/* rabbitmq.h -- librabbitmq's headers, under the names that this version of it has: since 0.12 they are in a folder. */
#ifndef PIPELINE_INPUTS_AMQP091_RABBITMQ_H
#define PIPELINE_INPUTS_AMQP091_RABBITMQ_H

#if __has_include(<rabbitmq-c/amqp.h>)
#include <rabbitmq-c/amqp.h>
#include <rabbitmq-c/framing.h>
#else
#include <amqp.h>
#include <amqp_framing.h>
#endif

#endif
