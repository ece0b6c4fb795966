"""The market off-chain: reference clearing and settlement, forecasts, trading agents and bills."""
