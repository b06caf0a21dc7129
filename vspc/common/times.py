"""Lengths of time in notices."""


def lasted(seconds: float) -> str:
    """ "40 s", "15 min", "3 h", "5 d": the largest unit of which there are two, or that fits."""
    whole = max(0, round(seconds))
    for size, unit in ((86400, "d"), (3600, "h"), (60, "min")):
        if whole >= 2 * size or (whole >= size and not whole % size):
            return f"{whole // size} {unit}"
    return f"{whole} s"
