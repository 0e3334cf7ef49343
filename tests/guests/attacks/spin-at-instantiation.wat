;; Never comes back from the function that runs before any export is called.
(func $spin (loop $again (br $again)))
(start $spin)
