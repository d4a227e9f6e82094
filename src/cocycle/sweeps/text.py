"""Text from an archive, made safe for a terminal and for a spreadsheet."""

FORMULA = ("=", "+", "-", "@")  # begin a formula in a spreadsheet


def printable(text: str) -> str:
    """The text with every control character except line ends as an escape: a terminal would execute it."""
    return "".join(c if c.isprintable() or c == "\n" else c.encode("unicode_escape").decode() for c in text)


def one_line(text: str) -> str:
    """The same in one line."""
    return printable(text).replace("\n", "\\n")


def cell(text: str) -> str:
    """The text in one line, with an apostrophe before it if a spreadsheet would compute it."""
    line = one_line(text)
    return f"'{line}" if line.startswith(FORMULA) else line
