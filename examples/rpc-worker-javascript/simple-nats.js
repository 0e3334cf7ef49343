// NATS for a plugin in JavaScript: connect, subscribe with a callback, publish,
// request. Everything is synchronous; the host waits, and calls back.

import * as clients from 'simple-nats:client/client@0.1.0';
import * as publisher from 'simple-nats:client/publisher@0.1.0';
import * as subscriber from 'simple-nats:client/subscriber@0.1.0';
import * as requester from 'simple-nats:client/requester@0.1.0';
import * as timers from 'simple-nats:client/timers@0.1.0';
import './console.js';
import { decode, encode } from './utf8.js';

// What to call, by the number that the host names. An instance is entered once
// at a time, so this needs no care.
const onMessage = new Map();
const onReply = new Map();
const onEvent = new Map();
const onTimer = new Map();

/**
 * Makes the two exports of a plugin:
 *
 *     export const { lifecycle, handler } = plugin(start);
 *
 * `start` connects and subscribes; `stop`, if given, runs at a clean end.
 */
export function plugin(start, stop = () => {}) {
  return {
    lifecycle: { start: guarded('start', start), stop: guarded('stop', stop) },
    handler: {
      onMessage(raw) {
        try {
          onMessage.get(raw.sid)?.(new Message(raw));
        } catch (error) {
          throw report('a subscription', error);
        }
      },
      onReply: reported('a request', (id, reply, last) => {
        const callback = onReply.get(id);
        if (last) onReply.delete(id);
        if (reply.tag === 'err') callback?.(undefined, new NatsError(reply.val));
        else callback?.(reply.val ? new Message(reply.val) : undefined, undefined);
      }),
      onEvent: reported('an event', (client, event) => {
        if (event.tag === 'subscription-ended') onMessage.delete(event.val[0]);
        onEvent.get(client)?.(event.tag, event.val);
      }),
      onTimer: reported('a timer', (id) => {
        const timer = onTimer.get(id);
        if (timer && !timer.repeat) onTimer.delete(id);
        timer?.callback();
      }),
    },
  };
}

/** Connects to `server`, by default the host's own. */
export function connect(server, { clientName, inboxPrefix, noEcho = false } = {}) {
  return new Client(call(clients.connect, server, { clientName, inboxPrefix, noEcho }));
}

/** A connection of this plugin. */
class Client {
  constructor(id) {
    this.id = id;
  }

  get name() {
    return call(clients.name, this.id);
  }

  get serverInfo() {
    return call(clients.serverInfo, this.id);
  }

  /** Calls back with each message. What the callback throws, its requester is told. */
  subscribe(subject, queueGroup, callback) {
    const sid = call(subscriber.subscribe, this.id, subject, queueGroup ?? undefined);
    onMessage.set(sid, callback);
    return sid;
  }

  /** Ends a subscription, now or after so many messages. */
  unsubscribe(sid, maxMessages) {
    call(subscriber.unsubscribe, sid, maxMessages);
    if (!maxMessages) onMessage.delete(sid);
  }

  publish(subject, payload = '') {
    publish(this.id, subject, payload);
  }

  publishWith(subject, payload, { replyTo, headers = [] }) {
    const fields = headers.map(([name, value]) => ({ name, value: bytes(value) }));
    call(publisher.publishWith, this.id, subject, replyTo, fields, bytes(payload));
  }

  /** Calls back with `(answer, error)`, one of them undefined. */
  request(subject, payload, callback, { timeoutMs } = {}) {
    const options = { timeoutMs, headers: [], maxReplies: 1, stallMs: undefined };
    const id = call(requester.request, this.id, subject, bytes(payload), options);
    onReply.set(id, callback);
    return id;
  }

  /** Waits for the answer. */
  requestAndWait(subject, payload, { timeoutMs } = {}) {
    const options = { timeoutMs, headers: [], maxReplies: 1, stallMs: undefined };
    const [answer] = call(requester.requestAndWait, this.id, subject, bytes(payload), options);
    return new Message(answer);
  }

  cancelRequest(id) {
    requester.cancelRequest(id);
    onReply.delete(id);
  }

  /** Calls back with the name of each event of this connection, and what it says. */
  onEvent(callback) {
    onEvent.set(this.id, callback);
  }

  /** Waits until the server has everything published so far. */
  flush(timeoutMs = 5000) {
    call(clients.flush, this.id, timeoutMs);
  }

  drain() {
    call(clients.drain, this.id);
  }

  close() {
    clients.close(this.id);
  }
}

/** A message as it was published. */
class Message {
  #raw;

  constructor(raw) {
    this.#raw = raw;
  }

  get sid() {
    return this.#raw.sid;
  }

  get subject() {
    return this.#raw.subject;
  }

  get replyTo() {
    return this.#raw.replyTo ?? undefined;
  }

  /** The payload as it is: bytes. */
  get payload() {
    return this.#raw.payload;
  }

  get text() {
    return decode(this.#raw.payload);
  }

  get json() {
    return JSON.parse(this.text);
  }

  /** Pairs of name and value, in their order. */
  get headers() {
    return this.#raw.headers.map(({ name, value }) => [name, decode(value)]);
  }

  get status() {
    return this.#raw.status ?? undefined;
  }

  /** Answers whoever asked. */
  respond(payload) {
    if (this.replyTo === undefined) throw new Error('the message has no reply-to');
    publish(this.#raw.client, this.replyTo, payload);
  }
}

/** Why the host did not do it. `kind` is a case of the WIT variant `error`. */
export class NatsError extends Error {
  constructor({ tag, val }) {
    super(val === undefined || val === null ? tag : `${tag}: ${val}`);
    this.name = 'NatsError';
    this.kind = tag;
  }
}

/** Calls back once, after so many milliseconds. */
export function setTimer(delayMs, callback) {
  return addTimer(delayMs, false, callback);
}

/** Calls back each time that so many milliseconds have passed. */
export function setTicker(delayMs, callback) {
  return addTimer(delayMs, true, callback);
}

export function cancelTimer(id) {
  timers.cancelTimer(id);
  onTimer.delete(id);
}

function addTimer(delayMs, repeat, callback) {
  const id = call(timers.setTimer, delayMs, repeat);
  onTimer.set(id, { repeat, callback });
  return id;
}

function bytes(payload) {
  return typeof payload === 'string' ? encode(payload) : payload;
}

// `tryPublish` is the cheaper one; where it says no, `publish` waits or tells why.
function publish(client, subject, payload) {
  const sent = bytes(payload);
  if (!publisher.tryPublish(client, subject, sent)) {
    call(publisher.publish, client, subject, sent);
  }
}

function call(imported, ...parameters) {
  try {
    return imported(...parameters);
  } catch (error) {
    const reason = error?.payload ?? error;
    throw reason?.tag ? new NatsError(reason) : error;
  }
}

// What a callback throws goes to the log, with its stack, and to the host as a
// text: thrown any further it would cost the instance.
function guarded(where, body) {
  return (...parameters) => {
    try {
      body(...parameters);
    } catch (error) {
      throw report(where, error);
    }
  };
}

// The same where the host expects no error.
function reported(where, body) {
  return (...parameters) => {
    try {
      body(...parameters);
    } catch (error) {
      report(where, error);
    }
  };
}

function report(where, error) {
  const text = error instanceof Error ? `${error.name}: ${error.message}` : String(error);
  console.error(`${text}, in the callback of ${where}`);
  const stack = String(error?.stack ?? '').trimEnd();
  if (stack) console.error(stack);
  return text;
}
