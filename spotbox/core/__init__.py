"""Pure domain logic: the standard library only, no I/O, no clock, no environment."""
