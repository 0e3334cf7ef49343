;; Declares that it needs 4 GiB from the start.
(memory (export "memory") 65536)
