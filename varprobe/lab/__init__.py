"""The lab: one page in which a network is drawn, judged and trained while its settings are moved."""
