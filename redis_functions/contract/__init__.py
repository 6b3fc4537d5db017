"""What the store holds: keys, series and rules, encodings, access lists."""
