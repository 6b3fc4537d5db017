"""The checks of `tapewatch doctor`; each returns findings, with the fix where something is wrong."""
