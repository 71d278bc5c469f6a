"""The system of record: what arrived, and what it means, in MongoDB."""
