"""Mosquitto: QoS 2 from a sender to us, through a session that is kept. It writes what it has to disk when it is ended, so that a power cut is none that
anybody could make up for: its script ends it as its
administrator does."""

import os

from brokers import SENDERS, Broker

# The session is there before anything is sent: of what is sent without a subscription nobody hears.
MAKE = """\
import sys, threading
import paho.mqtt.client as paho
done = threading.Event()
client = paho.Client(paho.CallbackAPIVersion.VERSION2, client_id="sluice", clean_session=False)
client.on_connect = lambda c, *_: c.subscribe("numbers/#", 2)
client.on_subscribe = lambda *_: done.set()
client.connect("127.0.0.1", int(sys.argv[1]))
client.loop_start()
assert done.wait(30)
client.disconnect()
client.loop_stop()
"""


class Mosquitto(Broker):
    name = "mosquitto"
    script = "mosquitto.sh"
    client = "paho-mqtt==2.1.0"
    exactly_once = True

    def make(self):
        self.run_client(MAKE, self.env["MQTT_PORT"])

    def sender(self, count, groups, rate):
        return [self.python, os.path.join(SENDERS, "mqtt.py"), self.env["MQTT_PORT"], "numbers", str(count), str(groups), str(rate)]

    def input(self):
        return {"mqtt": {"url": f"mqtt://127.0.0.1:{self.env['MQTT_PORT']}", "client_id": "sluice", "topics": ["numbers/#"], "qos": 2}}
