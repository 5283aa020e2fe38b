"""Brokers of Kafka in a process of their own (kafka_mock.c), and what the cases ask of them."""

import os
import subprocess


class KafkaPeer:
    def __init__(self, t, brokers=1):
        program = os.path.join(t.build, "tests", "e2e", "kafka_mock")
        if not os.path.exists(program):
            t.skip("built without kafka")
        self.process = subprocess.Popen([program, str(brokers)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        t.on_end(self.stop)
        self.brokers = self.process.stdout.readline().strip().split(",")

    def ask(self, *words):
        self.process.stdin.write(" ".join(str(w) for w in words) + "\n")
        self.process.stdin.flush()
        assert self.process.stdout.readline() == "ok\n"

    def put(self, topic, partition, count, tag):
        """Returns what was sent."""
        self.ask("put", topic, partition, count, tag)
        return [f"{tag}-{i:05d}" for i in range(count)]

    def stop(self):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        self.process.stdin.close()
        self.process.stdout.close()
