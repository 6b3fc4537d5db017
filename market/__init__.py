"""The words of the trade: bars, trades, price ticks, timeframes, sessions, sale conditions. Pure, no I/O."""
