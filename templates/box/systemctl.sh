# systemctl: turns the box off; there is no systemd on it, and that of the machine under it is out of reach.
for word in "$@"; do
    case $word in
        -*) ;;
        poweroff | halt | reboot) exec "$BOX/bin/$word" ;;
        *) break ;;
    esac
done
echo "System has not been booted with systemd as init system (PID 1). Can't operate." >&2
echo "Failed to connect to bus: Host is down" >&2
exit 1
