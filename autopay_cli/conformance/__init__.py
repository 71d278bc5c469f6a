"""The conformance kit: what a receiver of a provider's webhooks must accept and refuse, sent to any of them."""
