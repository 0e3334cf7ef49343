;; Answers a message with a result that is not in its memory.
(func (export "on-message") (i32.const -16))
