;; Declares a table of a thousand million elements.
(table 1000000000 funcref)
