"""The store: what is kept in Redis, under which name, by which code. Nothing else spells a key, a command on series, a call of
a function or an error text of Redis."""
