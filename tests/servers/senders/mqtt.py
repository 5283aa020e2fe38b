"""Sends over MQTT, each message to the topic of its group: mqtt.py PORT TOPIC COUNT GROUPS RATE. It sends with QoS 2, in a session that ends with its
connection: what a server has not called its own by then is sent again in the next one."""

import sys
import threading
import time

import numbered
import paho.mqtt.client as paho

IN_FLIGHT = 100
UNANSWERED = 15  # the server breaks off with who has more than 20


class Sender:
    def __init__(self, port, topic, messages):
        self.port, self.topic, self.messages = port, topic, messages
        self.changed = threading.Condition()
        self.waiting = {}  # number: (group, text), in order
        self.all_sent = False

    def run(self):
        while not self.all_sent or self.waiting:
            numbered.again(self.waiting)
            try:
                self.talk()
            except OSError:
                time.sleep(0.2)

    def talk(self):
        client = paho.Client(paho.CallbackAPIVersion.VERSION2, clean_session=True, reconnect_on_failure=False)
        client.max_inflight_messages_set(UNANSWERED)
        self.numbers, self.early, self.connected = {}, set(), False
        client.on_connect = lambda *_: self.is_connected(True)
        client.on_disconnect = lambda *_: self.is_connected(False)
        client.on_publish = lambda _c, _u, mid, *_: self.has(mid)
        client.connect("127.0.0.1", self.port)
        client.loop_start()
        with self.changed:
            if not self.changed.wait_for(lambda: self.connected, 10):
                raise OSError("no answer")
        for number in list(self.waiting):
            self.send(client, number)
        while self.connected and not self.all_sent:
            with self.changed:
                self.changed.wait_for(lambda: len(self.waiting) < IN_FLIGHT or not self.connected)
            found = next(self.messages, None) if self.connected else False
            if found is None:
                self.all_sent = True
            elif found:
                number, group, text = found
                self.waiting[number] = (group, text)
                self.send(client, number)
        with self.changed:
            self.changed.wait_for(lambda: not self.waiting or not self.connected)
        client.disconnect()
        client.loop_stop()

    def is_connected(self, connected):
        with self.changed:
            self.connected = connected
            self.changed.notify_all()

    def send(self, client, number):
        group, text = self.waiting[number]
        mid = client.publish(f"{self.topic}/{group}", text, qos=2).mid
        with self.changed:
            self.numbers[mid] = number
            if mid in self.early:
                self.waiting.pop(number, None)

    def has(self, mid):
        with self.changed:
            self.waiting.pop(self.numbers.get(mid), None)
            if mid not in self.numbers:
                self.early.add(mid)
            self.changed.notify_all()


def main():
    port, topic, count, groups, rate = sys.argv[1:]
    Sender(int(port), topic, numbered.numbered(int(count), int(groups), float(rate))).run()


main()
