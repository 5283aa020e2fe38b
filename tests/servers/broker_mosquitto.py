"""MQTT: QoS 2 from a sender to us, or QoS 1, through a session that is kept. Mosquitto writes what it has to disk when it is ended, and now and then, so that its
script ends it as its administrator does; what becomes of it by a power cut is a campaign of its own."""

import os

from brokers import SENDERS, Broker

# The session is there before anything is sent: of what is sent without a subscription nobody hears.
MAKE = """\
import sys, threading
import paho.mqtt.client as paho
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
port, topic, version, qos = int(sys.argv[1]), sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
done = threading.Event()
client = paho.Client(paho.CallbackAPIVersion.VERSION2, client_id="sluice", protocol=version, **({} if version == 5 else {"clean_session": False}))
client.on_connect = lambda c, *_: c.subscribe(topic + "/#", qos)
client.on_subscribe = lambda *_: done.set()
if version == 5:
    keep = Properties(PacketTypes.CONNECT)
    keep.SessionExpiryInterval = 86400
    client.connect("127.0.0.1", port, clean_start=False, properties=keep)
else:
    client.connect("127.0.0.1", port)
client.loop_start()
assert done.wait(30)
client.disconnect()
client.loop_stop()
"""


class Mqtt(Broker):
    client = "paho-mqtt==2.1.0"
    topic, version, qos, more = "numbers", 4, 2, {}

    def make(self):
        self.run_client(MAKE, self.env["MQTT_PORT"], self.topic, str(self.version), str(self.qos))

    def sender(self, count, groups, rate):
        return [self.python, os.path.join(SENDERS, "mqtt.py"), self.env["MQTT_PORT"], self.topic, str(count), str(groups), str(rate)]

    def input(self):
        return {"mqtt": {"url": f"mqtt://127.0.0.1:{self.env['MQTT_PORT']}", "client_id": "sluice", "topics": [f"{self.topic}/#"], "qos": self.qos,
                         **self.more}}


class Mosquitto(Mqtt):
    name = "mosquitto"
    script = "mosquitto.sh"
    exactly_once = True


class MosquittoKilled(Mqtt):
    """What it had not written is gone with its words that it has it."""
    name = "mosquitto-killed"
    script = "mosquitto.sh"
    settings = {"MOSQUITTO_KILL": "1"}
    short = False
    ordered = False

    def most_doubled(self, kills, restarts):
        return 1 << 30


class ArtemisMqtt(Mqtt):
    """Behind its own restart it gives out packet identifiers anew (docs/mqtt.md): what was on its way comes once more as new messages."""
    name = "artemis-mqtt"
    script = "artemis.sh"
    topic, version, more = "t/numbers", 4, {"version": "3.1.1"}
    short = False
    ordered = False

    def most_doubled(self, kills, restarts):
        return 20 * kills + 200 * restarts


class ClassicMqtt(Mqtt):
    """Some of what we had taken may come once more as new messages, most of it behind its own restart."""
    name = "activemq-mqtt"
    script = "activemq.sh"
    often = False
    ordered = False

    def most_doubled(self, kills, restarts):
        return 20 * kills + 200 * restarts


class ClassicMqtt1(ClassicMqtt):
    """What was not acknowledged comes again, and is not known."""
    name = "activemq-mqtt-qos1"
    short = False
    qos, more = 1, {"receive_maximum": 200}

    def most_doubled(self, kills, restarts):
        return 200 * (kills + restarts)
