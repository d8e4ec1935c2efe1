# sudo: runs the command as the user who runs the sandbox. A box has no root, and asks for no password.
user=root login= shell= background= quick=

usage() {
    echo "usage: sudo [-bEHins] [-u user] [VAR=value] command [arg ...]" >&2
    exit 1
}

# One short option that takes a value: $1 its letter, $2 what follows it in the same word, $3 the next word.
take() {
    value=${2:-$3}
    case $1 in u) user=$value ;; esac
}

while [ $# -gt 0 ]; do
    case $1 in
        --) shift; break ;;
        --user=*) user=${1#*=}; shift ;;
        --group=* | --prompt=* | --chdir=* | --host=* | --preserve-env=*) shift ;;
        --user) [ $# -gt 1 ] || usage; user=$2; shift 2 ;;
        --group | --prompt | --chdir | --host) [ $# -gt 1 ] || usage; shift 2 ;;
        --login) login=1; shift ;;
        --shell) shell=1; shift ;;
        --background) background=1; shift ;;
        --validate | --reset-timestamp | --remove-timestamp) quick=1; shift ;;
        --list) quick=list; shift ;;
        --version) echo "sudo of a sandbox box"; exit 0 ;;
        --non-interactive | --preserve-env | --set-home | --stdin | --askpass | --preserve-groups | --no-update) shift ;;
        -?*)
            letters=${1#-}
            shift
            while [ -n "$letters" ]; do
                rest=${letters#?}
                letter=${letters%"$rest"}
                letters=$rest
                case $letter in
                    u | g | p | C | D | h | r | t | T | U)
                        if [ -n "$rest" ]; then
                            take "$letter" "$rest" ""
                        else
                            [ $# -gt 0 ] || usage
                            take "$letter" "" "$1"
                            shift
                        fi
                        letters=
                        ;;
                    i) login=1 ;;
                    s) shell=1 ;;
                    b) background=1 ;;
                    v | k | K) quick=1 ;;
                    l) quick=list ;;
                    V) echo "sudo of a sandbox box"; exit 0 ;;
                    n | E | H | S | A | B | P | N) ;;
                    *) usage ;;
                esac
            done
            ;;
        [A-Za-z_]*=*) export "$1"; shift ;;
        *) break ;;
    esac
done

if [ $# -eq 0 ] && [ -z "$login$shell" ]; then
    [ "$quick" = list ] && printf 'User %s may run the following commands:\n    (ALL : ALL) NOPASSWD: ALL\n' "$BOX_USER"
    [ -n "$quick" ] && exit 0
    usage
fi

export SUDO_USER="$BOX_USER" USER="$user" LOGNAME="$user"
if [ -n "$login" ]; then
    cd || exit 1
fi
if [ $# -eq 0 ]; then
    set -- "${SHELL:-/bin/sh}" ${login:+-l}
else
    # By whatever path: the box's programs stand for those of the machine under it.
    if [ -x "$BOX/bin/${1##*/}" ]; then
        program=$BOX/bin/${1##*/}
        shift
        set -- "$program" "$@"
    elif ! command -v -- "$1" >/dev/null 2>&1; then
        echo "sudo: $1: command not found" >&2
        exit 1
    fi
    if [ -n "$login" ]; then
        set -- "${SHELL:-/bin/sh}" -l -c 'exec "$@"' sh "$@"
    fi
fi
if [ -n "$background" ]; then
    "$@" &
    exit 0
fi
exec "$@"
