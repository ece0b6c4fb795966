"""Gas and bytecode size against the committed snapshot."""
