# shutdown, poweroff, halt, reboot: turn the box off, never the machine under it.
name=${0##*/}
when=now action=off

refuse() {
    echo "$name: a sandbox box cannot reboot; spotbox stop and spotbox start do the same" >&2
    exit 1
}

power_off() {
    echo shutdown >"$BOX/power"
}

seconds_until() { # now, +MINUTES or HH:MM -> seconds
    case $1 in
        now) echo 0 ;;
        +*[!0-9]* | + | *:*:* | :* | *:) return 1 ;;
        +*) expr "${1#+}" \* 60 ;;
        *[!0-9:]*) return 1 ;;
        *:*)
            hour=${1%:*} minute=${1#*:}
            hour=${hour#0} minute=${minute#0}
            [ "${hour:-0}" -lt 24 ] && [ "${minute:-0}" -lt 60 ] || return 1
            now=$(date +%H:%M)
            now_hour=${now%:*} now_minute=${now#*:}
            now_hour=${now_hour#0} now_minute=${now_minute#0}
            minutes=$(((${hour:-0} - ${now_hour:-0}) * 60 + ${minute:-0} - ${now_minute:-0}))
            [ "$minutes" -ge 0 ] || minutes=$((minutes + 1440))
            echo $((minutes * 60))
            ;;
        *[0-9]) expr "$1" \* 60 ;;
        *) return 1 ;;
    esac
}

cancel() {
    if [ -f "$BOX/scheduled" ]; then
        kill "$(cat "$BOX/scheduled")" 2>/dev/null
        rm -f "$BOX/scheduled"
    fi
}

[ "$name" = shutdown ] && when=+1
for word in "$@"; do
    case $word in
        --help) echo "usage: $name [-h|-P|-c] [now|+MINUTES|HH:MM]"; exit 0 ;;
        --reboot) action=reboot ;;
        -c) action=cancel ;;
        -k | -w | --wtmp-only) exit 0 ;;
        --*) ;;
        -*r*) action=reboot ;;
        -*) ;;
        *) when=$word; break ;;
    esac
done
[ "$name" = reboot ] && action=reboot

case $action in
    reboot) refuse ;;
    cancel) cancel; exit 0 ;;
esac
seconds=$(seconds_until "$when")
[ -n "$seconds" ] || {
    echo "$name: failed to parse time specification: $when" >&2
    exit 1
}
cancel
if [ "$seconds" -eq 0 ]; then
    power_off
    exit
fi
(
    trap '' HUP
    sleep "$seconds"
    rm -f "$BOX/scheduled"
    power_off
) </dev/null >/dev/null 2>&1 &
echo $! >"$BOX/scheduled"
echo "Shutdown scheduled in $((seconds / 60)) min, use 'shutdown -c' to cancel." >&2
