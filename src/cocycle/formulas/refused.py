"""Exceptions for functions that formulas cannot be made of."""


class NotTraceable(TypeError):
    """The formula does something that symbols cannot record; the message says what to write instead."""


class TooLong(NotTraceable):
    """The formula has too many operations for one by one."""
