"""The commands: each loads, calls one function, writes, exits."""
