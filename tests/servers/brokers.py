"""Real brokers: what a campaign (broker_campaign.py) must know of each. An adapter is a class here or in a file of its own, and
a row in ADAPTERS:

    class Queue(Broker):
        name = "server-kind"                # of its scenarios, and of --broker
        script = "rabbitmq.sh"              # install | start DIR PORT | stop DIR, as lib.sh says; port and the four behind it are its own
        client = "package==1.2"             # what its sender runs with, from PyPI; None: nothing
        exactly_once = True                 # no message may be there twice. Else most_doubled() says how many may

        def make(self): ...                 # the queue, the topic; the server has just started for the first time
        def sender(self, count, groups, rate): ...   # the command line of a sender (senders/numbered.py)
        def input(self): ...                # {name: options} for `inputs:`

`self.env` has what the script wrote into DIR/env, `self.port` the port. kill() ends the server as a power cut would, end() as its
administrator does, start() starts it again with what it has on disk.
"""

import importlib
import os
import signal
import subprocess
import sys

from harness import wait_until
from stores import HERE, INSTALL_SECONDS, SKIPPED, Store

SENDERS = os.path.join(HERE, "senders")


class Broker(Store):
    name = script = client = None
    exactly_once = False
    ordered = True   # the messages of one group come in order
    groups = 4
    short = True     # `run.py` has a short form of its campaign; the long one is always there
    often = True     # in every run; else with SLUICE_BROKERS=all, as another one is enough to see that the input works
    restarts = True  # a campaign restarts it, too. False: what it forgets then is no matter of ours
    slowly = 1       # so many fewer messages for a slow server
    size = 1000      # bytes of a message, at most, when the destination is away meanwhile
    settings = {}    # the script's environment

    def __init__(self, t):
        self.python = self._install_client(t)
        os.chmod(t.dir, 0o755)  # a server may run as another user
        super().__init__(t, self.script, self.settings)
        self.name = type(self).name
        self.make()

    def _install_client(self, t):
        """The Python that has the client."""
        if self.client is None:
            return sys.executable
        done = subprocess.run(["sh", os.path.join(HERE, "client_venv.sh"), self.client], stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, timeout=INSTALL_SECONDS, text=True, check=False)
        if done.returncode == SKIPPED:
            t.skip((done.stdout.strip().splitlines() or ["cannot be installed"])[-1])
        assert done.returncode == 0, done.stdout[-2000:]
        return done.stdout.strip().splitlines()[-1]

    def run_client(self, text, *args):
        """Runs a few lines of Python that use the client."""
        done = subprocess.run([self.python, "-c", text, *args], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=60,
                              text=True, check=False)
        assert done.returncode == 0, done.stdout[-2000:]
        return done.stdout

    def end(self):
        with open(os.path.join(self.dir, "pid"), encoding="ascii") as f:
            pid = int(f.read())
        os.kill(pid, signal.SIGTERM)
        wait_until(f"{self.name} has ended", lambda: not _lives(pid), 60)
        self.kill()

    # --- what an adapter says -----------------------------------------------------------------------------------------

    def make(self):
        pass

    def sender(self, count, groups, rate):
        raise NotImplementedError

    def input(self):
        raise NotImplementedError

    def environment(self):
        """The daemon's."""
        return {}

    def most_doubled(self, kills, restarts):
        """How many messages may be there twice after so many kills of the daemon and restarts of the server."""
        del kills, restarts
        assert self.exactly_once, f"{self.name} must say how many"
        return 0


def all_wanted():
    return os.environ.get("SLUICE_BROKERS") == "all"


def _lives(pid):
    try:
        with open(f"/proc/{pid}/stat", encoding="ascii") as f:
            return f.read().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


ADAPTERS = ["broker_rabbitmq.Classic", "broker_rabbitmq.Quorum", "broker_rabbitmq.Stream",
            "broker_activemq.ClassicStomp", "broker_activemq.ArtemisStomp", "broker_activemq.ClassicAmqp", "broker_activemq.ArtemisAmqp",
            "broker_kafka.Kafka", "broker_mosquitto.Mosquitto", "broker_mosquitto.MosquittoKilled", "broker_mosquitto.ArtemisMqtt",
            "broker_mosquitto.ClassicMqtt", "broker_mosquitto.ClassicMqtt1",
            "broker_kinesis.Kinesis",
            "broker_elasticmq.Standard", "broker_elasticmq.Fifo", "broker_elasticmq.MotoFifo", "broker_sns.Sns"]


def adapters():
    for row in ADAPTERS:
        module, _, name = row.partition(".")
        yield getattr(importlib.import_module(module), name)
