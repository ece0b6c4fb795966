"""`python -m gridwitness` is `gridwitness`."""

from gridwitness.cli import main

main()
