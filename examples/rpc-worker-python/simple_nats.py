"""NATS for a plugin in Python: connect, subscribe with a callback, publish,
request. Everything is synchronous; the host waits, and calls back.

    Lifecycle, Handler = simple_nats.plugin(start)

makes the two exports of a plugin. `start` connects and subscribes.
"""

import gc
import json
import re
import sys
import traceback

from componentize_py_types import Err
from wit_world import exports
from wit_world.imports import client as clients
from wit_world.imports import publisher, requester, subscriber, timers, types

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


class Message:
    """A message as it was published."""

    __slots__ = ("_raw",)

    def __init__(self, raw):
        self._raw = raw

    @property
    def sid(self):
        return self._raw.sid

    @property
    def subject(self):
        return self._raw.subject

    @property
    def reply_to(self):
        return self._raw.reply_to

    @property
    def headers(self):
        """Pairs of name and value, in their order."""
        return [(header.name, header.value) for header in self._raw.headers]

    @property
    def status(self):
        return self._raw.status

    @property
    def payload(self):
        """The payload as it is: bytes."""
        return self._raw.payload

    @property
    def text(self):
        return self._raw.payload.decode()

    @property
    def json(self):
        return json.loads(self._raw.payload)

    def respond(self, payload):
        """Answers whoever asked."""
        if self._raw.reply_to is None:
            raise ValueError("the message has no reply-to")
        _publish(self._raw.client, self._raw.reply_to, payload)


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
            fields = [types.Header(name, _bytes(value)) for name, value in headers]
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
        return Message(answers[0])

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
    """The one that is called most, without what the others share."""
    try:
        publisher.publish(client, subject, _bytes(payload))
    except Err as error:
        raise NatsError(error.value) from None


def _call(imported, *parameters):
    try:
        return imported(*parameters)
    except Err as error:
        raise NatsError(error.value) from None


def _report(error):
    """What a callback raises goes to the log, with its traceback, and to the
    host as a text: raised any further it would cost the instance."""
    # The first frame is in this file, which tells an author nothing.
    frames = error.__traceback__.tb_next or error.__traceback__
    traceback.print_exception(type(error), error, frames, file=sys.stderr)
    sys.stderr.flush()
    return f"{type(error).__name__}: {error}"


def plugin(start, stop=None):
    """Makes the exports of a plugin. `stop`, if given, runs at a clean end."""

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

    class Handler(exports.Handler):
        def on_message(self, message):
            callback = _on_message.get(message.sid)
            if callback is not None:
                try:
                    callback(Message(message))
                except Exception as error:
                    raise Err(_report(error)) from None

        def on_reply(self, id, reply, last):
            callback = _on_reply.pop(id, None) if last else _on_reply.get(id)
            try:
                if callback is None:
                    return
                if isinstance(reply, Err):
                    callback(None, NatsError(reply.value))
                else:
                    answer = reply.value
                    callback(answer and Message(answer), None)
            except Exception as error:
                _report(error)

        def on_event(self, client, event):
            if isinstance(event, types.Event_SubscriptionEnded):
                _on_message.pop(event.value[0], None)
            callback = _on_event.get(client)
            try:
                if callback is not None:
                    callback(event)
            except Exception as error:
                _report(error)

        def on_timer(self, id):
            repeat, callback = _on_timer.get(id, (True, None))
            if not repeat:
                del _on_timer[id]
            try:
                if callback is not None:
                    callback()
            except Exception as error:
                _report(error)

    return Lifecycle, Handler
