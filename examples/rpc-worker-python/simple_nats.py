"""NATS for a plugin in Python: connect, subscribe with a callback, publish,
request. Everything is synchronous; the host waits, and calls back.

    Lifecycle, Handler, BatchHandler = simple_nats.plugin(start)

makes the exports of a plugin. `start` connects and subscribes.
"""

import gc
import json
import linecache
import os
import re
import sys
import traceback
from typing import NamedTuple

from componentize_py_types import Err
from wit_world import exports
from wit_world.imports import client as clients
from wit_world.imports import packed_inbox, publisher, requester, subscriber, timers, types

# What to call, by the number that the host names. An instance is entered once
# at a time, so this needs no care.
_on_message = {}
_on_reply = {}
_on_event = {}
_on_timer = {}


# What is printed goes to the host's log line by line.
sys.stdout.reconfigure(line_buffering=True)


class NatsError(Exception):
    """Why the host did not do it. `kind` is a case of the WIT variant `error`."""

    def __init__(self, error):
        case = type(error).__name__.removeprefix("Error_")
        self.kind = re.sub("(?<!^)(?=[A-Z])", "-", case).lower()
        detail = getattr(error, "value", None)
        super().__init__(self.kind if detail is None else f"{self.kind}: {detail}")


class Header(NamedTuple):
    """A header field: a pair, whose value is bytes."""

    name: str
    value: bytes


class _Message:
    """What messages have in common, in whichever form they came."""

    @property
    def text(self):
        return self.payload.decode()

    @property
    def json(self):
        return json.loads(self.payload)

    def respond(self, payload):
        """Answers whoever asked."""
        reply_to = self.reply_to
        if reply_to is None:
            raise ValueError("the message has no reply-to")
        _publish(self.client, reply_to, payload)


class Message(_Message, packed_inbox.PackedMessage):
    """A message as it was published. It came in one piece, out of which its parts
    are taken when they are asked for."""

    @property
    def subject(self):
        return self.data[: self.subject_length].decode()

    @property
    def reply_to(self):
        """Where an answer is expected; None if none is."""
        if self.reply_to_length == 0:
            return None
        begin = self.reply_to_offset
        return self.data[begin : begin + self.reply_to_length].decode()

    @property
    def headers(self):
        """Pairs of name and value, in their order."""
        fields = (line.partition(b":") for line in self._header_lines()[1:])
        return [
            Header(name.decode(errors="replace"), value.strip())
            for name, colon, value in fields
            if name and colon
        ]

    @property
    def status(self):
        """What the server, or a service, sent in place of an answer: `code` and
        `description`; None in every other message."""
        text = self._header_lines()[0].removeprefix(b"NATS/1.0").strip()
        if not text[:3].isdigit():
            return None
        return types.Status(int(text[:3]), text[3:].strip().decode(errors="replace"))

    @property
    def payload(self):
        """The payload as it is: bytes."""
        return self.data[self.payload_offset :]

    def _header_lines(self):
        begin = self.headers_offset
        return self.data[begin : begin + self.headers_length].split(b"\n")


class Answer(_Message, types.Message):
    """The answer that was waited for: the same, as it comes in its parts."""


# What the bindings make of messages: one object for each, instead of some that hold
# each other.
packed_inbox.PackedMessage = Message
packed_inbox.PackedDelivery_Message = lambda message: message
types.Message, types.Header = Answer, Header


class Client:
    """A connection of this plugin."""

    def __init__(self, id):
        self.id = id

    @property
    def name(self):
        return _call(clients.name, self.id)

    @property
    def server_info(self):
        return _call(clients.server_info, self.id)

    def subscribe(self, subject, queue_group, callback):
        """Calls back with each message. What the callback raises, its requester is told."""
        sid = _call(subscriber.subscribe, self.id, subject, queue_group)
        _on_message[sid] = callback
        return sid

    def unsubscribe(self, sid, max_messages=None):
        """Ends a subscription, now or after so many messages."""
        _call(subscriber.unsubscribe, sid, max_messages)
        if not max_messages:
            _on_message.pop(sid, None)

    def publish(self, subject, payload=b"", *, reply_to=None, headers=()):
        if reply_to is None and not headers:
            _publish(self.id, subject, payload)
        else:
            fields = [Header(name, _bytes(value)) for name, value in headers]
            _call(publisher.publish_with, self.id, subject, reply_to, fields, _bytes(payload))

    def request(self, subject, payload, callback, *, timeout_ms=None):
        """Calls back with `(answer, error)`, one of them None."""
        options = requester.RequestOptions(timeout_ms, [], 1, None)
        id = _call(requester.request, self.id, subject, _bytes(payload), options)
        _on_reply[id] = callback
        return id

    def request_and_wait(self, subject, payload, *, timeout_ms=None):
        """Waits for the answer."""
        options = requester.RequestOptions(timeout_ms, [], 1, None)
        answers = _call(requester.request_and_wait, self.id, subject, _bytes(payload), options)
        return answers[0]

    def cancel_request(self, id):
        requester.cancel_request(id)
        _on_reply.pop(id, None)

    def on_event(self, callback):
        """Calls back with each event of this connection, a case of the WIT variant `event`."""
        _on_event[self.id] = callback

    def flush(self, timeout_ms=5000):
        """Waits until the server has everything published so far."""
        _call(clients.flush, self.id, timeout_ms)

    def drain(self):
        _call(clients.drain, self.id)

    def close(self):
        clients.close(self.id)


def connect(server=None, *, client_name=None, inbox_prefix=None, no_echo=False):
    """Connects to `server`, by default the host's own."""
    options = clients.ConnectOptions(client_name, inbox_prefix, no_echo)
    return Client(_call(clients.connect, server, options))


def set_timer(delay_ms, callback):
    """Calls back once, after so many milliseconds."""
    return _add_timer(delay_ms, False, callback)


def set_ticker(delay_ms, callback):
    """Calls back each time that so many milliseconds have passed."""
    return _add_timer(delay_ms, True, callback)


def cancel_timer(id):
    timers.cancel_timer(id)
    _on_timer.pop(id, None)


def _add_timer(delay_ms, repeat, callback):
    id = _call(timers.set_timer, delay_ms, repeat)
    _on_timer[id] = (repeat, callback)
    return id


def _bytes(payload):
    return payload.encode() if isinstance(payload, str) else payload


def _publish(client, subject, payload):
    if isinstance(payload, str):
        payload = payload.encode()
    # The cheaper one; where it says no, the other one waits or tells why.
    if not publisher.try_publish(client, subject, payload):
        _call(publisher.publish, client, subject, payload)


def _call(imported, *parameters):
    try:
        return imported(*parameters)
    except Err as error:
        raise NatsError(error.value) from None


def _report(error):
    """What a callback raises goes to the log, with its traceback, and to the
    host as a text: raised any further it would cost the instance."""
    # The first frames are in this file, which tells an author nothing.
    frames = error.__traceback__
    while frames.tb_next and frames.tb_frame.f_code.co_filename == __file__:
        frames = frames.tb_next
    traceback.print_exception(type(error), error, frames, file=sys.stderr)
    sys.stderr.flush()
    return f"{type(error).__name__}: {error}"


def _on_delivery(delivery):
    match delivery:
        case Message():
            callback = _on_message.get(delivery.sid)
            if callback is not None:
                callback(delivery)
        case packed_inbox.PackedDelivery_Reply(reply):
            callback = (_on_reply.pop if reply.last else _on_reply.get)(reply.id, None)
            if callback is None:
                return
            if isinstance(reply.answer, Err):
                callback(None, NatsError(reply.answer.value))
            else:
                callback(reply.answer.value, None)
        case packed_inbox.PackedDelivery_Event((client, event)):
            if isinstance(event, types.Event_SubscriptionEnded):
                _on_message.pop(event.value[0], None)
            callback = _on_event.get(client)
            if callback is not None:
                callback(event)
        case packed_inbox.PackedDelivery_Timer(id):
            repeat, callback = _on_timer.get(id, (True, None))
            if not repeat:
                del _on_timer[id]
            if callback is not None:
                callback()


def _keep_sources():
    """Tracebacks quote them, and they can be read only while the component is built."""
    folder = os.path.dirname(__file__)
    for module in list(sys.modules.values()):
        file = getattr(module, "__file__", None) or ""
        if os.path.dirname(file) == folder:
            # Without a time, it is not compared with the file.
            linecache.cache[file] = (0, None, linecache.getlines(file), file)


def plugin(start, stop=None):
    """Makes the exports of a plugin. `stop`, if given, runs at a clean end."""
    _keep_sources()

    # What is there now stays: no collection has to look at it again.
    gc.collect()
    gc.freeze()

    class Lifecycle(exports.Lifecycle):
        def start(self):
            try:
                start()
            except Exception as error:
                raise Err(_report(error)) from None

        def stop(self):
            try:
                if stop is not None:
                    stop()
            except Exception as error:
                _report(error)

    class BatchHandler(exports.BatchHandler):
        def on_deliveries(self):
            while (delivery := packed_inbox.take()) is not None:
                try:
                    _on_delivery(delivery)
                except Exception as error:
                    reason = _report(error)
                    if isinstance(delivery, Message):
                        packed_inbox.fail(reason)

    class Handler:
        """Has to be there, and is not called where there is a `BatchHandler`."""

    return Lifecycle, Handler, BatchHandler
