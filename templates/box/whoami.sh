# whoami: the box's user (or the one that sudo was asked for), not the one who runs the sandbox.
printf '%s\n' "${USER:-$BOX_USER}"
