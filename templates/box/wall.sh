# wall: writes to every terminal of the box, and to no other of the machine under it.
case ${1-} in
    -h | --help) echo "usage: wall [message]"; exit 0 ;;
esac
while [ $# -gt 0 ]; do
    case $1 in
        -n | --nobanner) shift ;;
        -t | --timeout) shift 2 ;;
        *) break ;;
    esac
done
if [ $# -gt 0 ] && [ ! -f "$1" ]; then
    text=$*
elif [ $# -gt 0 ]; then
    text=$(cat "$1")
else
    text=$(cat)
fi
text=$(printf '%s' "$text" | tr -d '\000-\010\013-\037\177' | sed "s/\$/$(printf '\r')/")
for mark in "$BOX"/terminals/*; do
    [ -f "$mark" ] || continue
    terminal=$(cat "$mark")
    [ -w "$terminal" ] || continue
    # A terminal whose user has stopped its output would take the message only when it goes on: it is not waited for.
    (
        printf '\r\n\007\r\nBroadcast message from %s@%s (%s):\r\n\r\n%s\n\r\n' \
            "${USER:-root}" "$BOX_HOSTNAME" "$(date)" "$text" >"$terminal" &
        writer=$!
        (sleep 2; kill "$writer") 2>/dev/null &
        watcher=$!
        wait "$writer"
        kill "$watcher"
    ) </dev/null >/dev/null 2>&1 &
done
wait
