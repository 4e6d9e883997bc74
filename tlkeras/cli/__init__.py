"""The command line: one file a command, flags and main(argv), no logic."""
