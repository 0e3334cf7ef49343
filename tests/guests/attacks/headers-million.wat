;; Passes a million headers, which lie one behind the other in its memory: to
;; `request-and-wait` at an empty message, to `publish-with` at any other.
(func (export "on-message")
  (if (i32.lt_u (memory.size) (i32.const 300)) (then
    (if (i32.eq (memory.grow (i32.const 300)) (i32.const -1)) (then unreachable))))
  (if (local.get $payload-length)
    (then
      (call $publisher.publish-with (global.get $client) (i32.const 1040) (i32.const 10)
        (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 131072) (i32.const 1000000)
        (i32.const 0) (i32.const 0) (i32.const 16)))
    (else
      (call $requester.request-and-wait (global.get $client) (i32.const 1040) (i32.const 10)
        (i32.const 0) (i32.const 0) (i32.const 1) (i32.const 1000)
        (i32.const 131072) (i32.const 1000000)
        (i32.const 1) (i32.const 0) (i32.const 0) (i32.const 16))))
  (i32.const 0))
