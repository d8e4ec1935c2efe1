"""The embedded AWS: the only package that imports moto and asyncssh."""
