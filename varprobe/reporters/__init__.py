"""Results -> text or bytes, a folder per kind; `varprobe.results.kinds.RESULTS` lists the formats."""
