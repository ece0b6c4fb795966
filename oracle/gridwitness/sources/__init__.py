"""Where readings come from: HTTP payloads and files of signed readings."""
