"""The store: what is kept in Redis, under which name, by which code. Nothing else spells a key or an FCALL."""
