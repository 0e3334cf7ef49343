;; What every attacker may call.

(import "simple-nats:client/client@0.1.0" "connect" (func $client.connect
  (param i32 i32 i32) (param i32 i32 i32) (param i32 i32 i32) (param i32) (param i32)))
(import "simple-nats:client/client@0.1.0" "flush" (func $client.flush (param i32 i32 i32)))
(import "simple-nats:client/client@0.1.0" "close" (func $client.close (param i32)))
(import "simple-nats:client/publisher@0.1.0" "publish" (func $publisher.publish
  (param i32) (param i32 i32) (param i32 i32) (param i32)))
(import "simple-nats:client/publisher@0.1.0" "publish-with" (func $publisher.publish-with
  (param i32) (param i32 i32) (param i32 i32 i32) (param i32 i32) (param i32 i32) (param i32)))
(import "simple-nats:client/subscriber@0.1.0" "subscribe" (func $subscriber.subscribe
  (param i32) (param i32 i32) (param i32 i32 i32) (param i32)))
(import "simple-nats:client/subscriber@0.1.0" "unsubscribe" (func $subscriber.unsubscribe
  (param i64) (param i32 i64) (param i32)))
(import "simple-nats:client/requester@0.1.0" "request" (func $requester.request
  (param i32) (param i32 i32) (param i32 i32)
  (param i32 i32) (param i32 i32) (param i32) (param i32 i32) (param i32)))
(import "simple-nats:client/requester@0.1.0" "request-and-wait" (func $requester.request-and-wait
  (param i32) (param i32 i32) (param i32 i32)
  (param i32 i32) (param i32 i32) (param i32) (param i32 i32) (param i32)))
(import "simple-nats:client/timers@0.1.0" "set-timer" (func $timers.set-timer
  (param i64 i32 i32)))
