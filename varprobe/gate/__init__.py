"""Spec + expectation -> CheckResult: a network held to what is expected of it, at a stated chance of error."""
