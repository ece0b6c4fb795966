"""The documentation: every block of code on its pages runs, and the site is whole."""
