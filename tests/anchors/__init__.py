"""The same work on contracts that others use, side by side with ours."""
