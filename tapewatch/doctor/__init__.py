"""What `tapewatch doctor` looks at: each check answers findings, with the mend where something is wrong."""
