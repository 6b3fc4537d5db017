"""The measured claims, one command each; `python -m bench` runs them all and writes RESULTS.md."""
