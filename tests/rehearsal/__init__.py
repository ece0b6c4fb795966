"""The rehearsal of a deployment on two real nodes: `python -m tests.rehearsal`."""
