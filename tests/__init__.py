"""The tests of vspc. None of them is about how long something takes on a busy machine."""

from hypothesis import settings

settings.register_profile("vspc", deadline=None)
settings.load_profile("vspc")
