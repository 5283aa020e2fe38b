"""Sends with pika and publisher confirms: rabbitmq.py URL EXCHANGE COUNT GROUPS RATE, with the group as the routing key of each."""

import sys
import time

import numbered
import pika
import pika.exceptions

IN_FLIGHT = 500


class Sender:
    def __init__(self, url, exchange, messages):
        self.parameters, self.exchange, self.messages = pika.URLParameters(url), exchange, messages
        self.parameters.heartbeat = 10
        self.waiting = {}  # number: (group, text), in order: the server has not said that it has them
        self.all_sent = False

    def run(self):
        while not self.all_sent or self.waiting:
            numbered.again(self.waiting)
            self.tags, self.returned, self.next_tag, self.channel = {}, set(), 1, None
            connection = pika.SelectConnection(
                self.parameters, on_open_callback=lambda c: c.channel(on_open_callback=self.opened),
                on_open_error_callback=lambda c, _: c.ioloop.stop(), on_close_callback=lambda c, _: c.ioloop.stop())
            self.loop = connection.ioloop
            self.loop.start()
            if not connection.is_closed:  # all is done
                connection.close()
                self.loop.start()
            time.sleep(0.2)

    def opened(self, channel):
        channel.confirm_delivery(self.settled)
        channel.add_on_return_callback(lambda _c, _m, properties, _b: self.returned.add(int(properties.message_id[1:])))
        channel.add_on_close_callback(lambda c, _: c.connection.is_open and c.connection.close())
        self.channel = channel
        for number, (group, text) in self.waiting.items():
            self.publish(number, group, text)
        self.more()

    def publish(self, number, group, text):
        self.tags[self.next_tag] = number
        self.next_tag += 1
        self.channel.basic_publish(self.exchange, f"g{group}", text,
                                   pika.BasicProperties(delivery_mode=2, message_id=f"m{number}"), mandatory=True)

    def settled(self, frame):
        method = frame.method
        first = min(self.tags) if method.multiple else method.delivery_tag
        for tag in range(first, method.delivery_tag + 1):
            number = self.tags.pop(tag, None)
            if number is not None and method.NAME == "Basic.Ack" and number not in self.returned:
                del self.waiting[number]
        if (method.NAME != "Basic.Ack" or self.returned) and self.channel.is_open:
            self.channel.close()  # a server that has just started may have no way to the queue yet: all of it again

    def more(self):
        """Some, and again soon."""
        if not self.channel.is_open:
            return
        for _ in range(min(50, IN_FLIGHT - len(self.waiting))):
            found = next(self.messages, None)
            if found is None:
                self.all_sent = True
                break
            number, group, text = found
            self.waiting[number] = group, text
            self.publish(number, group, text)
        if self.all_sent and not self.waiting:
            self.loop.stop()
        else:
            self.loop.call_later(0.005, self.more)


def main():
    url, exchange, count, groups, rate = sys.argv[1:]
    Sender(url, exchange, numbered.numbered(int(count), int(groups), float(rate))).run()


main()
