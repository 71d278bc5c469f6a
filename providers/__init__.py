"""One file per payment provider: how it signs, and how its body maps to payment events. Pure: no I/O, no clock."""
