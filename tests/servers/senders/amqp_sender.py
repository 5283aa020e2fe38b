"""Sends over AMQP 1.0 with Proton, each message until the server has accepted it: amqp_sender.py PORT ADDRESS COUNT GROUPS RATE."""

import sys
import time

import numbered
from proton import Message
from proton.handlers import MessagingHandler
from proton.reactor import Container

IN_FLIGHT = 500


class Sender(MessagingHandler):
    """One connection: what was not accepted when it ends is in `waiting`."""

    def __init__(self, url, address, messages, waiting):
        super().__init__(auto_settle=True)
        self.url, self.address, self.messages, self.waiting = url, address, messages, waiting
        self.sent = {}  # delivery tag: number
        self.all_sent = False
        self.resent = False

    def on_start(self, event):
        self.container = event.container
        self.connection = event.container.connect(self.url, reconnect=False, allowed_mechs="ANONYMOUS")
        self.link = event.container.create_sender(self.connection, self.address)

    def on_link_opened(self, event):
        self.schedule(event)

    def schedule(self, event):
        event.container.schedule(0.005, self)

    def on_timer_task(self, event):
        if not self.link.state & self.link.REMOTE_ACTIVE:
            self.container.stop()  # the server has ended it, in whatever order it says so
            return
        if not self.resent:
            self.resent = True
            for number, text in list(self.waiting.items()):
                self.send(number, text)
        for _ in range(50):
            if len(self.waiting) >= IN_FLIGHT or self.link.credit <= 0 or self.all_sent:
                break
            found = next(self.messages, None)
            if found is None:
                self.all_sent = True
                break
            number, _, text = found
            self.waiting[number] = text
            self.send(number, text)
        if self.all_sent and not self.waiting:
            self.connection.close()
        else:
            self.schedule(event)

    def send(self, number, text):
        delivery = self.link.send(Message(body=text, id=f"m{number}", durable=True, inferred=True))
        self.sent[delivery.tag] = number

    def on_accepted(self, event):
        self.waiting.pop(self.sent.pop(event.delivery.tag), None)

    def on_rejected(self, event):
        event.connection.close()

    def on_connection_closed(self, event):
        self.container.stop()

    def on_transport_error(self, event):
        self.container.stop()

    def on_disconnected(self, event):
        self.container.stop()


def main():
    port, address, count, groups, rate = sys.argv[1:]
    messages, waiting = numbered.numbered(int(count), int(groups), float(rate)), {}
    while True:
        numbered.again(waiting)
        sender = Sender(f"amqp://127.0.0.1:{port}", address, messages, waiting)
        Container(sender).run()
        if sender.all_sent and not waiting:
            break
        time.sleep(0.2)


main()
