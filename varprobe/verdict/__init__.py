"""Measurement -> Verdict: the rule, the table of findings, the advice."""
