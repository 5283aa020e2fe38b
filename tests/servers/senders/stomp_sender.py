"""Sends over STOMP, each message with a receipt: stomp_sender.py PORT DESTINATION COUNT GROUPS RATE."""

import sys
import threading
import time

import numbered
import stomp

IN_FLIGHT = 500


class Sender(stomp.ConnectionListener):
    def __init__(self, port, destination, messages):
        self.port, self.destination, self.messages = port, destination, messages
        self.changed = threading.Condition()
        self.waiting = {}  # number: text, in order: the server has not said that it has them
        self.connected = False

    def on_receipt(self, frame):
        with self.changed:
            self.waiting.pop(int(frame.headers["receipt-id"]), None)
            self.changed.notify_all()

    def on_disconnected(self):
        with self.changed:
            self.connected = False
            self.changed.notify_all()

    def run(self):
        all_sent = False
        while not all_sent or self.waiting:
            numbered.again(self.waiting)
            try:
                all_sent = self.talk(all_sent)
            except (stomp.exception.StompException, OSError):
                time.sleep(0.2)

    def talk(self, all_sent):
        connection = stomp.Connection12([("127.0.0.1", self.port)], reconnect_attempts_max=1, auto_content_length=True)
        connection.set_listener("", self)
        connection.connect(wait=True)
        self.connected = True
        for number, text in list(self.waiting.items()):
            self.send(connection, number, text)
        while self.connected and not all_sent:
            with self.changed:
                self.changed.wait_for(lambda: len(self.waiting) < IN_FLIGHT or not self.connected)
            found = next(self.messages, None) if self.connected else False
            if found is None:
                all_sent = True
            elif found:
                number, _, text = found
                self.waiting[number] = text
                self.send(connection, number, text)
        with self.changed:
            self.changed.wait_for(lambda: not self.waiting or not self.connected)
        connection.disconnect()
        return all_sent

    def send(self, connection, number, text):
        if self.connected:
            connection.send(self.destination, text, receipt=str(number), persistent="true")


def main():
    port, destination, count, groups, rate = sys.argv[1:]
    Sender(int(port), destination, numbered.numbered(int(count), int(groups), float(rate))).run()


main()
