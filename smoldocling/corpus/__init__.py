"""Large runs: millions of pages to shards of Parquet, resumable after any interruption.

Stands on pipeline's Converter. `journal` is what survives a crash, `ledger` what it means, `listing` and `fetch` where
documents come from, `shards` where their pages go, `run` the whole of it.
"""
