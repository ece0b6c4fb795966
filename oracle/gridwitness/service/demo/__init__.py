"""The demo: a real community trades a day on an embedded chain, with every part the real one."""
