"""What the store holds: keys, series and rules, a bar as commands, alerts, statistics, access lists."""
