"""The worker's sums. It knows no NATS, so a test needs no host."""


def sum_of(text: str) -> int:
    """`1 2 3` gives 6."""
    words = text.split()
    if not words:
        raise ValueError("no numbers to add")
    return sum(map(int, words))
