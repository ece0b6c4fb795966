"""What people and integrators see: the pages and the documents under /v1, of whatever {Portal} is behind them."""
