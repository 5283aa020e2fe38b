"""Sends with confluent-kafka, idempotently, so that the client itself sends nothing twice: kafka.py BROKERS TOPIC COUNT GROUPS RATE, each group
into a partition of its own."""

import sys

import numbered
from confluent_kafka import Producer


def main():
    brokers, topic, count, groups, rate = sys.argv[1:]
    failed = []
    producer = Producer({"bootstrap.servers": brokers, "enable.idempotence": True, "linger.ms": 5, "message.timeout.ms": 600000,
                         "message.max.bytes": 2 * numbered.LARGEST})
    for _, group, text in numbered.numbered(int(count), int(groups), float(rate)):
        while True:
            try:
                producer.produce(topic, text, key=f"g{group}", partition=group,
                                 on_delivery=lambda error, _: failed.append(error) if error else None)
                break
            except BufferError:
                producer.poll(0.1)
        producer.poll(0)
    assert producer.flush(600) == 0 and not failed, failed[:3]


main()
