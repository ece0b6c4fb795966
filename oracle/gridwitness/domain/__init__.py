"""Plain values of the field: readings, delivery slots, schedules, batches. No input or output happens here."""
