"""Risk scores with reasons, and the learning behind them: advisory throughout."""
