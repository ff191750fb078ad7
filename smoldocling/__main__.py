"""`python -m smoldocling`."""

from smoldocling.cli import main

main()
