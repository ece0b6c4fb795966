"""A relay: collects signed schedules, keeps them durably, and submits them to the market many at once."""
