# Read by an interactive login shell of a box, which starts in posix mode for this: it is then a login shell that
# leaves /etc/profile alone, which belongs to the machine the sandbox runs on.
set +o posix
shopt -u inherit_errexit 2>/dev/null
unset ENV
HISTFILE=$HOME/.bash_history
for BOX_FILE in .bash_profile .bash_login .profile; do
    if [ -r "$HOME/$BOX_FILE" ]; then
        . "$HOME/$BOX_FILE"
        break
    fi
done
unset BOX_FILE
# The box's own programs come first whatever the files above say: `shutdown` must stop the box, not this machine.
case "$PATH:" in
    "${HOME%/home}/bin:"*) ;;
    *) PATH="${HOME%/home}/bin:$PATH" ;;
esac
