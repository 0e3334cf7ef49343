"""What calls no host can be tested like any other Python."""


def greeting(name: str) -> str:
    if not name.strip():
        raise ValueError("nobody to greet")
    return f"hello {name.strip()}"
