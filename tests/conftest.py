"""Settings of all tests: generated examples are the same in every run, so that a red run can be repeated.

No example has a deadline, and slow generation is no fault: how long either takes says how busy the machine
is, not whether a claim holds.
"""

from hypothesis import HealthCheck, settings

settings.register_profile(
    "repeatable", derandomize=True, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("repeatable")
